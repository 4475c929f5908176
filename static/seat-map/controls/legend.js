/**
 * The prices by category, each a switch: those that are on are the only ones shown, with none on all are. And the legend of the forms of seats.
 *
 * @import { Layout } from "../layout.js"
 * @import { Palette } from "../drawing/palette.js"
 * @import { Translator } from "../../i18n/i18n.js"
 */
import { h, icon } from "../../app/dom.js";

/**
 * @param {HTMLElement} box
 * @param {object} show
 * @param {Layout} show.layout
 * @param {Palette} show.palette
 * @param {Translator} show.i18n
 * @param {Record<string, number>} show.prices
 * @param {Set<number>} show.only the only categories that are shown; empty: all
 * @param {(category: number) => void} show.toggle
 */
export function drawLegend(box, { layout, palette, i18n, prices, only, toggle }) {
  box.setAttribute("aria-label", i18n.t("legend"));
  const order = layout.categories
    .map((_, n) => n)
    .sort((a, b) => (prices[layout.categories[b].name] ?? 0) - (prices[layout.categories[a].name] ?? 0));
  const chips = order.map((n) => {
    const { name } = layout.categories[n];
    const price = prices[name];
    return h(
      "button",
      {
        class: "chip",
        type: "button",
        "aria-pressed": String(only.has(n)),
        "data-category": name,
        onclick: () => toggle(n),
      },
      swatch(palette, n),
      h("span", { class: "chip-name" }, i18n.name(name)),
      price === undefined ? null : h("span", { class: "chip-price" }, i18n.rupees(price)),
    );
  });
  box.classList.toggle("filtered", only.size > 0);
  box.replaceChildren(...chips);
}

/** @param {HTMLElement} box @param {Palette} palette @param {Translator} i18n */
export function drawKey(box, palette, i18n) {
  /** @type {[string, string, string][]} words, form, sign */
  const signs = [
    ["keyFree", "free", ""],
    ["keyHeld", "held", ""],
    ["keySold", "sold", "close"],
    ["keyOwn", "chosen", "check"],
    ["keyMine", "mine", "check"],
    ["keyAccess", "free", "wheelchair"],
  ];
  box.setAttribute("aria-label", i18n.t("key"));
  box.replaceChildren(
    ...signs.map(([word, form, sign]) => h("li", {}, swatch(palette, 0, form, sign), h("span", {}, i18n.t(word)))),
  );
}

// Elements, not canvases: the compositor would have to move each canvas as a layer of its own.
/** @param {Palette} palette @param {number} category @param {string} [form] @param {string} [sign] */
function swatch(palette, category, form = "free", sign = "") {
  const box = h("span", { class: `swatch ${form}`, "aria-hidden": "true" }, sign ? icon(sign) : null);
  const { fill, ink } = palette.categories[category] ?? { fill: palette.ink, ink: palette.bg };
  box.style.setProperty("--fill", fill);
  box.style.setProperty("--sign", ink);
  return box;
}
