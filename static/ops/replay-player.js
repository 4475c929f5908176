/**
 * Plays a show's sale from its log: a button to start, then a slider over the events, play and stop.
 *
 * @import { Translator } from "../i18n/i18n.js"
 * @import { Replay } from "./replay.js"
 */
import { h, icon } from "../app/dom.js";

/** A replay takes this long, however many events there are. */
const PLAY_S = 15;
const STEP_MS = 100;

export class ReplayPlayer {
  /**
   * @param {object} hooks
   * @param {() => Promise<Replay | null>} hooks.load null when the log can't be read
   * @param {() => void} hooks.changed other statuses are to be shown
   */
  constructor(hooks) {
    this._hooks = hooks;
    /** @type {Translator | null} */
    this._i18n = null;
    /** @type {Replay | null} */
    this._replay = null;
    this._step = 0;
    this._playing = 0;
    this.element = h("div", { class: "replay" });
  }

  /** Whether a replay is shown. */
  get running() {
    return this._replay !== null;
  }

  /** The statuses to show: those of the replay, or `now`. @param {Uint8Array} now */
  statuses(now) {
    return this._replay ? this._replay.after(this._step) : now;
  }

  stop() {
    clearInterval(this._playing);
    this._playing = 0;
  }

  /** @param {Translator} i18n */
  draw(i18n) {
    if (this._i18n !== i18n) this.element.replaceChildren();
    this._i18n = i18n;
    if (!this._replay) {
      this._drawStart(i18n);
      return;
    }
    const slider = this._find("input") ?? this._drawControls(i18n, this._replay);
    const event = this._replay.events[this._step - 1];
    const when = event ? `${i18n.clock(event.time)} · ${i18n.t(`ops_${event.kind}`)}` : i18n.t("opsReplayStart");
    /** @type {HTMLInputElement} */ (slider).value = String(this._step);
    slider.setAttribute("aria-valuetext", when);
    /** @type {HTMLElement} */ (this._find("output")).textContent = when;
    /** @type {HTMLElement} */ (this._find(".play")).textContent = i18n.t(this._playing ? "opsStop" : "opsPlay");
  }

  /** @param {Translator} i18n */
  _drawStart(i18n) {
    if (this._find("button.begin")) return;
    const begin = () => this._begin();
    const button = h("button", { class: "button begin", type: "button", onclick: begin }, icon("clock"));
    button.append(i18n.t("opsReplay"));
    this.element.replaceChildren(button);
  }

  /** @param {Translator} i18n @param {Replay} replay */
  _drawControls(i18n, replay) {
    const slider = h("input", {
      type: "range",
      min: 0,
      max: replay.events.length,
      value: this._step,
      "aria-label": i18n.t("opsReplayTime"),
    });
    slider.addEventListener("input", () => this._goTo(Number(slider.value)));
    this.element.replaceChildren(
      h("button", { class: "button play", type: "button", onclick: () => this._play() }, i18n.t("opsPlay")),
      slider,
      h("output", {}),
      h("button", { class: "button", type: "button", onclick: () => this._end() }, i18n.t("opsBackToNow")),
    );
    return slider;
  }

  async _begin() {
    const replay = await this._hooks.load();
    if (!replay) return;
    this._replay = replay;
    this.element.replaceChildren();
    this._goTo(replay.events.length);
    this._find("input")?.focus();
  }

  /** @param {number} step how many events have happened */
  _goTo(step) {
    this._step = step;
    this._changed();
  }

  _play() {
    if (!this._replay) return;
    if (this._playing) {
      this.stop();
      this._changed();
      return;
    }
    const last = this._replay.events.length;
    if (this._step >= last) this._step = 0;
    const stride = Math.max(1, Math.ceil(last / ((PLAY_S * 1000) / STEP_MS)));
    this._playing = setInterval(() => {
      if (this._step >= last) this.stop();
      this._goTo(Math.min(last, this._step + stride));
    }, STEP_MS);
    this._changed();
  }

  _end() {
    this.stop();
    this._replay = null;
    this.element.replaceChildren();
    this._changed();
    this._find("button")?.focus();
  }

  _changed() {
    if (this._i18n) this.draw(this._i18n);
    this._hooks.changed();
  }

  /** @param {string} selector @returns {HTMLElement | null} */
  _find(selector) {
    return this.element.querySelector(selector);
  }
}
