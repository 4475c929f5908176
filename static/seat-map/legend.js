/**
 * Draws the legend of a map: prices, each of which filters the seats, and the forms of seats.
 *
 * @import { MapContext } from "./context.js"
 */
import { allInPrices } from "./all-in-prices.js";
import { drawKey, drawLegend } from "./controls/legend.js";

export class Legend {
  /** @param {MapContext} context */
  constructor(context) {
    this._context = context;
  }

  draw() {
    const { i18n, layout, live, only, view } = this._context;
    const { palette } = view.picture;
    if (!layout || !palette) return;
    drawLegend(view.legend, {
      layout,
      palette,
      i18n,
      prices: allInPrices(live?.show ?? null),
      only,
      toggle: (category) => this._filter(category),
    });
    drawKey(view.key, palette, i18n);
  }

  /** Show the seats of this category alone, or with those of the others that were chosen; with none, all. @param {number} category */
  _filter(category) {
    const { layout, only, view } = this._context;
    if (!only.delete(category)) only.add(category);
    if (only.size === layout?.categories.length) only.clear();
    for (const chip of view.legend.querySelectorAll("button")) {
      const n = layout?.categories.findIndex(({ name }) => name === chip.dataset.category) ?? -1;
      chip.setAttribute("aria-pressed", String(only.has(n)));
    }
    view.legend.classList.toggle("filtered", only.size > 0);
    view.picture.repaint();
    if (layout) view.list.reset(layout);
    view.recount(true);
  }
}
