/**
 * Prices by category, each a switch that shows or dims its seats, and the key to the forms that seats take.
 *
 * @import { Layout } from "./layout.js"
 * @import { Palette } from "./palette.js"
 * @import { Speaker } from "../i18n/i18n.js"
 */
import { h } from "../app/dom.js";
import { drawSeat, MINE, SELECTED } from "./painter.js";
import { FREE, HELD, SOLD } from "./seat-states.js";

/**
 * @param {HTMLElement} box
 * @param {object} show
 * @param {Layout} show.layout
 * @param {Palette} show.palette
 * @param {Speaker} show.say
 * @param {Record<string, number>} show.prices
 * @param {Set<number>} show.hidden categories that are filtered out
 * @param {(category: number) => void} show.toggle
 */
export function drawLegend(box, { layout, palette, say, prices, hidden, toggle }) {
  box.setAttribute("aria-label", say.t("legend"));
  const order = layout.categories.map((_, n) => n).sort((a, b) => (prices[layout.categories[b].name] ?? 0) - (prices[layout.categories[a].name] ?? 0));
  const chips = order.map((n) => {
    const { name } = layout.categories[n];
    const price = prices[name];
    return h(
      "button",
      { class: "chip", type: "button", "aria-pressed": String(!hidden.has(n)), "data-category": name, onclick: () => toggle(n) },
      swatch(palette, FREE, n),
      h("span", { class: "chip-name" }, name),
      price === undefined ? null : h("span", { class: "chip-price" }, say.rupees(price)),
    );
  });
  box.replaceChildren(...chips);
}

/** @param {HTMLElement} box @param {Palette} palette @param {Speaker} say */
export function drawKey(box, palette, say) {
  /** @type {[string, number, boolean][]} */
  const signs = [
    ["keyFree", FREE, false],
    ["keyHeld", HELD, false],
    ["keySold", SOLD, false],
    ["keyOwn", SELECTED, false],
    ["keyMine", MINE, false],
    ["keyAccess", FREE, true],
  ];
  box.setAttribute("aria-label", say.t("key"));
  box.replaceChildren(
    ...signs.map(([word, kind, access]) => h("li", {}, swatch(palette, kind, 0, access), h("span", {}, say.t(word)))),
  );
}

/** @param {Palette} palette @param {number} kind @param {number} category @param {boolean} [access] */
function swatch(palette, kind, category, access = false) {
  const side = 18;
  const dpr = Math.min(3, devicePixelRatio || 1);
  const canvas = h("canvas", { class: "swatch", width: Math.round(side * dpr), height: Math.round(side * dpr), "aria-hidden": "true" });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  drawSeat(context, Math.round(side * dpr), dpr, kind, palette, category, false, access);
  return canvas;
}
