/**
 * The blocked seats of a show by the reason why they are blocked, with a button that chooses them.
 *
 * @import { Translator } from "../i18n/i18n.js"
 * @import { Seat } from "./seat-ids.js"
 *
 * @typedef {{seat: string, reason: string, at: number}} Block `at`: ms, 0 if that is not known
 */
import { h } from "../app/dom.js";
import { moment } from "./format.js";

const SHOWN_SEATS = 12;

export class BlockList {
  /** @param {(seats: number[]) => void} choose @param {() => Seat[]} seats of the layout, by index */
  constructor(choose, seats) {
    this._choose = choose;
    this._seats = seats;
    this._drawn = "";
    this.element = h("section", { class: "blocks" });
  }

  /** @param {Translator} i18n @param {Block[]} blocks */
  draw(i18n, blocks) {
    const drawn = JSON.stringify([i18n.code, this._seats().length, blocks]);
    if (drawn === this._drawn) return;
    this._drawn = drawn;
    const groups = Map.groupBy(blocks, ({ reason }) => reason);
    const lines = [...groups].map(([reason, of]) => this._line(i18n, reason, of));
    this.element.replaceChildren(
      h("h2", {}, i18n.t("opsBlocked", { n: blocks.length })),
      lines.length ? h("ul", {}, ...lines) : h("p", { class: "hint" }, i18n.t("opsNoBlocked")),
    );
  }

  /** @param {Translator} i18n @param {string} reason @param {Block[]} blocks */
  _line(i18n, reason, blocks) {
    const since = Math.max(...blocks.map(({ at }) => at));
    const more = blocks.length > SHOWN_SEATS ? ` +${i18n.count(blocks.length - SHOWN_SEATS)}` : "";
    const ids = new Set(blocks.map(({ seat }) => seat));
    const indices = () => this._seats().flatMap(({ id }, n) => (ids.has(id) ? [n] : []));
    const names = indices()
      .slice(0, SHOWN_SEATS)
      .map((n) => this._seats()[n].name);
    const choose = () => this._choose(indices());
    return h(
      "li",
      {},
      h("b", {}, reason || i18n.t("opsNoReason")),
      h("span", {}, `${names.join(", ")}${more}`),
      since ? h("span", { class: "hint" }, moment(since, i18n)) : null,
      h("button", { class: "button", type: "button", onclick: choose }, i18n.t("opsChooseThem")),
    );
  }
}
