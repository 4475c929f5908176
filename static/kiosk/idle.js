/**
 * Detects that nobody uses the kiosk any more: first a warning that counts down, then the end.
 */
const QUIET_MS = 60000;
const WARN_MS = 20000;
const LOOK_MS = 250;

export class Idle {
  /**
   * @param {object} hooks
   * @param {() => boolean} hooks.watching whether there is anything to clear
   * @param {(seconds: number) => void} hooks.warn called with every second that is left
   * @param {() => void} hooks.stayed somebody touched the screen after the warning
   * @param {() => void} hooks.gone nobody did
   */
  constructor(hooks) {
    this._hooks = hooks;
    this._touchedAt = performance.now();
    this._said = 0;
    for (const event of ["pointerdown", "pointermove", "wheel", "touchmove"]) {
      addEventListener(event, () => this._stir(), { capture: true, passive: true });
    }
    // The warning closes at the end of a touch: if it closed at its start, the click would hit the element below.
    for (const event of ["click", "keydown"]) addEventListener(event, () => this.touch(), { capture: true });
    setInterval(() => this._look(), LOOK_MS);
  }

  _stir() {
    if (!this._said) this._touchedAt = performance.now();
  }

  /** Somebody is there. */
  touch() {
    this._touchedAt = performance.now();
    if (!this._said) return;
    this._said = 0;
    this._hooks.stayed();
  }

  _look() {
    if (!this._hooks.watching()) {
      this.touch();
      return;
    }
    const left = this._touchedAt + QUIET_MS + WARN_MS - performance.now();
    if (left <= 0) {
      this.touch();
      this._hooks.gone();
    } else if (left <= WARN_MS && this._said !== Math.ceil(left / 1000)) {
      this._said = Math.ceil(left / 1000);
      this._hooks.warn(this._said);
    }
  }
}
