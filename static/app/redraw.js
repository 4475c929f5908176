/**
 * Draws again without disturbing people who read or press: nothing is drawn while nothing has changed, and the keyboard's
 * focus stays on its control.
 */

/** Knows what is drawn. */
export class Drawn {
  constructor() {
    this._what = "";
  }

  /** Whether this is drawn already; from now on it counts as drawn. @param {unknown[]} everything that is drawn, as JSON can state it */
  has(...everything) {
    const what = JSON.stringify(everything);
    if (what === this._what) return true;
    this._what = what;
    return false;
  }

  /** The texts have changed: the same is drawn again. */
  forget() {
    this._what = "";
  }
}

/**
 * Draw, and keep the focus on its control, which has the same `data-key` before and after.
 * @param {() => void} draw
 * @param {HTMLElement | null} [otherwise] what gets the focus if its control is gone, or can't have it any more
 */
export function keepFocus(draw, otherwise = null) {
  const focus = document.activeElement;
  draw();
  if (focus instanceof HTMLElement && document.activeElement !== focus) focusAgain(focus, otherwise);
}

/**
 * Give the focus to a control, or to what was drawn in its place: it has the same `data-key`.
 * @param {HTMLElement} control
 * @param {HTMLElement | null} [otherwise] what gets it if there is neither
 */
export function focusAgain(control, otherwise = null) {
  const same = `[data-key="${CSS.escape(control.dataset.key ?? "")}"]`;
  const again = control.isConnected ? control : /** @type {HTMLElement | null} */ (document.querySelector(same));
  again?.focus({ preventScroll: true });
  if (document.activeElement !== again) otherwise?.focus({ preventScroll: true });
}
