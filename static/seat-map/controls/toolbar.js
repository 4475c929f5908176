/**
 * The buttons of the map: zoom, the whole plan, map or list, and the legend on a narrow map.
 *
 * @import { Translator } from "../../i18n/i18n.js"
 */
import { h, icon } from "../../app/dom.js";

/** @typedef {"keyShow" | "zoomOut" | "zoomIn" | "zoomFit" | "switchView"} Tool */

/** @type {readonly [Tool, string][]} with their icons */
const TOOLS = [
  ["keyShow", "info"],
  ["zoomOut", "minus"],
  ["zoomIn", "plus"],
  ["zoomFit", "fit"],
];

export class Toolbar {
  /** @param {HTMLElement} box @param {(tool: Tool) => void} press */
  constructor(box, press) {
    this._box = box;
    this._press = press;
    this._open = false;
  }

  /** @param {Translator} i18n @param {boolean} list whether the list is shown now */
  draw(i18n, list) {
    const focused = /** @type {ShadowRoot | Document} */ (this._box.getRootNode()).activeElement?.className ?? "";
    const other = list ? "mapShow" : "listShow";
    this._box.setAttribute("aria-label", i18n.t("tools"));
    this._box.replaceChildren(
      ...TOOLS.map(([name, sign]) => this._button(name, name, sign, i18n)),
      this._button(other, "switchView", list ? "map" : "list", i18n),
    );
    this.opened(this._open);
    // The button that switched the view was replaced by its counterpart; the focus stays on it.
    if (/^(list|map)Show$/.test(focused)) /** @type {HTMLElement} */ (this._box.lastElementChild).focus();
  }

  /** Whether the legend is shown. @param {boolean} open */
  opened(open) {
    this._open = open;
    this._box.firstElementChild?.setAttribute("aria-expanded", String(open));
  }

  /** @param {string} name @param {Tool} tool @param {string} sign @param {Translator} i18n */
  _button(name, tool, sign, i18n) {
    const words = i18n.t(name);
    return h(
      "button",
      { type: "button", class: name, "aria-label": words, title: words, onclick: () => this._press(tool) },
      icon(sign),
    );
  }
}
