/**
 * Descriptions of seats and sections for the list, the tip, screen readers and the page. Pure.
 *
 * @import { Layout } from "./layout.js"
 * @import { SeatInfo, SeatStatus } from "./types.js"
 * @import { Translator } from "../i18n/i18n.js"
 */

/**
 * @typedef {object} Source what the descriptions are made from
 * @property {() => Layout} layout
 * @property {() => Record<string, number>} prices rupees by category name, with fee and taxes
 * @property {() => Translator} i18n
 * @property {(seat: number) => SeatStatus} status
 * @property {(section: number) => {n: number, all: number} | null} counts how many seats of a section are free, and of how many
 */

export class SeatText {
  /** @param {Source} source */
  constructor(source) {
    this._source = source;
  }

  /** @param {number} seat @returns {SeatInfo} */
  info(seat) {
    const layout = this._source.layout();
    const category = layout.categories[layout.category[seat]]?.name ?? "";
    return {
      id: layout.idOf(seat),
      index: seat,
      section: layout.sectionName(seat),
      row: layout.rows[layout.row[seat]].name,
      rowLabel: layout.rows[layout.row[seat]].label,
      number: layout.number(seat),
      label: layout.label(seat),
      category,
      price: this._source.prices()[category] ?? null,
      accessible: layout.accessible[seat] === 1,
      status: this._source.status(seat),
    };
  }

  /** The short name on the ticket. @param {number} seat */
  name(seat) {
    return this._source.layout().label(seat);
  }

  /** A row in words, "" for one without a name. @param {number} row */
  row(row) {
    const { name, label, block } = this._source.layout().rows[row];
    return (label || (name && this._source.i18n().t("row", { row: name }))) + (block ? ` (${block})` : "");
  }

  /** Its name and price. @param {number} seat */
  offer(seat) {
    const { price } = this.info(seat);
    return price === null ? this.name(seat) : `${this.name(seat)} · ${this._source.i18n().rupees(price)}`;
  }

  /** The full description, for screen readers. @param {number} seat */
  describe(seat) {
    const is = this.info(seat);
    const i18n = this._source.i18n();
    const plain = is.section && is.row && !is.rowLabel;
    return [
      plain
        ? i18n.t("seatLabel", { section: i18n.name(is.section), row: is.row, number: is.number })
        : [i18n.name(is.section), is.rowLabel || is.row, is.number].filter(Boolean).join(", "),
      is.accessible ? i18n.t("accessible") : "",
      i18n.name(is.category),
      is.price === null ? "" : i18n.rupees(is.price),
      i18n.t(`state_${is.status}`),
    ]
      .filter(Boolean)
      .join(", ");
  }

  /** @param {number} seat @returns {{title: string, detail: string}} */
  tip(seat) {
    const is = this.info(seat);
    const i18n = this._source.i18n();
    const detail = [
      i18n.name(is.category),
      is.price === null ? "" : i18n.rupees(is.price),
      is.accessible ? i18n.t("accessible") : "",
      is.status === "free" ? "" : i18n.t(`state_${is.status}`),
    ];
    return {
      title: [this.name(seat), i18n.name(is.section)].filter(Boolean).join(" · "),
      detail: detail.filter(Boolean).join(" · "),
    };
  }

  /** @param {number} section @returns {{title: string, detail: string}} */
  section(section) {
    const layout = this._source.layout();
    const i18n = this._source.i18n();
    const { title, categories } = layout.sections[section];
    const listed = this._source.prices();
    const prices = categories.map((n) => listed[layout.categories[n].name]).filter((price) => price !== undefined);
    const [least, most] = [Math.min(...prices), Math.max(...prices)];
    const cost = !prices.length
      ? ""
      : least === most
        ? i18n.rupees(least)
        : `${i18n.rupees(least)}–${i18n.rupees(most)}`;
    const counts = this._source.counts(section);
    const free = counts ? i18n.t("freeOf", counts) : "";
    return { title, detail: [free, cost].filter(Boolean).join(" · ") };
  }
}
