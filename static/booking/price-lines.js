/**
 * What seats cost, line by line: tickets, fee, tax, total.
 *
 * @import { PriceLine, Prices } from "../seat-map/types.js"
 * @import { Translator } from "../i18n/i18n.js"
 */
import { h } from "../app/dom.js";

/** @param {Translator} i18n @param {Prices} prices @returns {HTMLElement} */
export function priceLines(i18n, prices) {
  const tickets = prices.lines.filter(({ kind }) => kind === "ticket");
  const row = (/** @type {string} */ label, /** @type {number} */ paise, kind = "") =>
    h("div", { class: kind, "data-line": kind || null }, h("dt", {}, label), h("dd", {}, i18n.moneyLine(paise)));
  return h(
    "dl",
    { class: "price-lines" },
    ...tickets.map(({ category, count, value }) =>
      row(`${i18n.name(category)} × ${i18n.count(count)}`, value, "price"),
    ),
    prices.fee ? row(i18n.t("bookingFee"), prices.fee, "fee") : null,
    prices.tax ? row(taxLabel(i18n, prices.lines), prices.tax, "tax") : null,
    row(i18n.t("total"), prices.total, "sum"),
  );
}

// The rate is named where there is only one.
/** @param {Translator} i18n @param {PriceLine[]} lines */
function taxLabel(i18n, lines) {
  const rates = new Set(lines.filter(({ tax }) => tax).map(({ rate }) => rate));
  return rates.size === 1 ? i18n.t("gstOf", { rate: [...rates][0] / 100 }) : i18n.t("gst");
}
