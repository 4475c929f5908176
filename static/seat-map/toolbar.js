/**
 * The buttons beside the map: zoom, the whole plan, map or list, and on a narrow map what the signs mean.
 *
 * @import { Speaker } from "../i18n/i18n.js"
 */
import { h, icon } from "../app/dom.js";

/** @typedef {"keyShow" | "zoomOut" | "zoomIn" | "zoomFit" | "turn"} Tool */

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

  /** @param {Speaker} say @param {boolean} list whether the list is what is seen now */
  dress(say, list) {
    const focused = /** @type {ShadowRoot | Document} */ (this._box.getRootNode()).activeElement?.className ?? "";
    const turn = list ? "mapShow" : "listShow";
    this._box.setAttribute("aria-label", say.t("tools"));
    this._box.replaceChildren(
      ...TOOLS.map(([name, sign]) => this._button(name, name, sign, say)),
      this._button(turn, "turn", list ? "map" : "list", say),
    );
    this.opened(this._open);
    // The one that turned map to list is another button now, and still the one that was pressed.
    if (/^(list|map)Show$/.test(focused)) /** @type {HTMLElement} */ (this._box.lastElementChild).focus();
  }

  /** Whether the signs are explained now. @param {boolean} open */
  opened(open) {
    this._open = open;
    this._box.firstElementChild?.setAttribute("aria-expanded", String(open));
  }

  /** @param {string} name @param {Tool} tool @param {string} sign @param {Speaker} say */
  _button(name, tool, sign, say) {
    const words = say.t(name);
    return h(
      "button",
      { type: "button", class: name, "aria-label": words, title: words, onclick: () => this._press(tool) },
      icon(sign),
    );
  }
}
