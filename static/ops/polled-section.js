/**
 * A section of the overview that asks a node regularly, and draws the answer.
 *
 * @import { Translator } from "../i18n/i18n.js"
 */
import { errorLine, h } from "../app/dom.js";
import { Drawn } from "../app/redraw.js";
import { isKeyRefused } from "./api.js";

const EVERY_MS = 5000;

/** @template T what the node answers */
export class PolledSection {
  /**
   * @param {(why: string) => void} leave called when the operator key is not valid any more
   * @param {string} id of the section
   * @param {string} look its class
   * @param {string} title key of its heading
   * @param {number} [everyMs] how often the node is asked
   */
  constructor(leave, id, look, title, everyMs = EVERY_MS) {
    this._leave = leave;
    this._title = title;
    this._everyMs = everyMs;
    /** Whether the last request failed. */
    this._cut = false;
    /** Key of what is said then. */
    this._cutNotice = "opsMoneyCut";
    this._timer = 0;
    this._asked = 0;
    this._drawn = new Drawn();
    /** @type {Translator | null} */
    this._i18n = null;
    this._body = h("div", { class: "rows" });
    this.element = h("section", { class: look, id, tabindex: -1 });
  }

  /** @param {Translator} i18n */
  localize(i18n) {
    this._i18n = i18n;
    this.element.replaceChildren(h("h2", {}, i18n.t(this._title)), ...this._parts(i18n));
    this._tryDraw();
  }

  /** The texts have changed, although the answer is the same: draw it again. */
  redraw() {
    this._drawn.forget();
    this._tryDraw();
  }

  /**
   * Whether this is drawn already: what is read, scrolled or about to be pressed stays as it is while nothing has
   * changed. @param {unknown[]} everything that is drawn
   */
  _isDrawn(...everything) {
    return this._drawn.has(this._i18n?.code, this._cut, ...everything);
  }

  /** Ask now, and regularly from now on. */
  start() {
    this._ask();
  }

  stop() {
    clearTimeout(this._timer);
    this._asked++;
  }

  async _ask() {
    clearTimeout(this._timer);
    const mine = ++this._asked;
    try {
      const answer = await this._request();
      if (mine !== this._asked) return;
      this._keep(answer);
      this._cut = false;
    } catch (error) {
      if (mine !== this._asked) return;
      if (isKeyRefused(error)) {
        this._leave("opsWrongKey");
        return;
      }
      this._cut = true;
    }
    this._timer = setTimeout(() => this._ask(), this._everyMs);
    this._tryDraw();
  }

  /** Draws the section; says that there is no answer if the answer can't be drawn. */
  _tryDraw() {
    try {
      this._draw();
    } catch (error) {
      reportError(error);
      this._drawn.forget();
      if (this._i18n) this._place.replaceChildren(errorLine(this._i18n.t(this._cutNotice)));
    }
  }

  // --- of each section ----------------------------------------------------------------------------------------------
  /** @abstract @returns {Promise<T>} @throws {ApiError} */
  async _request() {
    throw new Error("abstract");
  }

  /** Called with the answer, unless a newer request was sent meanwhile. @abstract @param {T} _answer */
  _keep(_answer) {}

  /** Where it is said that there is no answer. @returns {Element} */
  get _place() {
    return this._body;
  }

  /** What stands under the heading. @param {Translator} _i18n @returns {Node[]} */
  _parts(_i18n) {
    return [this._body];
  }

  /** @abstract */
  _draw() {}
}
