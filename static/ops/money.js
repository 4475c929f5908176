/**
 * The section of refunds and payments: filters, the rows, and an alarm for refunds that failed.
 *
 * @import { Translator } from "../i18n/i18n.js"
 */
import { errorLine, h } from "../app/dom.js";
import { ApiError, ask } from "./api.js";
import { moment } from "./format.js";
import { alarmLine, missingRegions, scrollTable, select } from "./pieces.js";
import { PolledSection } from "./polled-section.js";

const MOST_ROWS = 100;
const STATES = {
  refunds: ["promised", "sent", "done", "failed"],
  payments: ["booked", "promised", "sent", "done", "failed"],
};

/** @typedef {keyof typeof STATES} Listing */
/** @typedef {{id: string, payment: string, hold: string, show_id: string, amount: number, reason: string, state: string, detail: string, created_at: number, updated_at: number, region: string}} RefundRow */
/** @typedef {{id: string, hold: string, show_id: string, amount: number, booking: string | null, refund: string | null, created_at: number, region: string}} PaymentRow */

/** @typedef {{rows: (RefundRow & PaymentRow)[], failed: RefundRow[], missing: string[]}} Answer */

/** @extends {PolledSection<Answer>} */
export class Money extends PolledSection {
  /** @param {(why: string) => void} leave called when the operator key is not valid any more */
  constructor(leave) {
    super(leave, "money", "money", "opsMoney");
    /** @type {Listing} */
    this._listing = "refunds";
    this._state = "";
    this._show = "";
    /** @type {(RefundRow & PaymentRow)[] | null} */
    this._rows = null;
    /** @type {RefundRow[]} */
    this._failed = [];
    /** Regions whose ledger did not answer. @type {string[]} */
    this._missing = [];
    this.alarm = h("div", { "aria-live": "assertive" });
    this._filters = h("div", { class: "filters" });
  }

  /** @param {Translator} i18n */
  _parts(i18n) {
    this._drawFilters(i18n);
    return [this._filters, this._body];
  }

  /** @returns {Promise<Answer>} */
  async _request() {
    const listing = this._listing;
    const query = new URLSearchParams({ limit: String(MOST_ROWS) });
    if (this._state) query.set("state", this._state);
    if (this._show) query.set("show", this._show);
    const [answer, failed] = await Promise.all([
      ask(`/ops/${listing}?${query}`).catch((error) => {
        // A show that does not exist has no rows.
        if (error instanceof ApiError && error.status === 404) return { [listing]: [], missing: [] };
        throw error;
      }),
      ask(`/ops/refunds?state=failed&limit=${MOST_ROWS}`),
    ]);
    return {
      rows: answer[listing],
      failed: failed.refunds,
      missing: [...new Set([...answer.missing, ...failed.missing])],
    };
  }

  /** @param {Answer} answer */
  _keep({ rows, failed, missing }) {
    this._rows = rows;
    this._failed = failed;
    this._missing = missing;
  }

  // --- drawing ------------------------------------------------------------------------------------------------------
  /** @param {Translator} i18n */
  _drawFilters(i18n) {
    const listing = select("money-listing", i18n.t("opsListing"), this._listing, [
      ["refunds", i18n.t("opsRefunds")],
      ["payments", i18n.t("opsPayments")],
    ]);
    listing.addEventListener("change", () => {
      this._listing = /** @type {Listing} */ (listing.value);
      this._state = "";
      this._rows = null;
      this._drawFilters(i18n);
      this._filters.querySelector("select")?.focus();
      this._draw();
      this._ask();
    });
    const states = STATES[this._listing].map((state) => [state, i18n.t(`opsMoney_${state}`)]);
    const state = select("money-state", i18n.t("opsState"), this._state, [["", i18n.t("opsAnyState")], ...states]);
    state.addEventListener("change", () => {
      this._state = state.value;
      this._ask();
    });
    const show = h("input", { id: "money-show", type: "search", value: this._show, placeholder: i18n.t("opsAnyShow") });
    show.addEventListener("change", () => {
      this._show = show.value.trim();
      this._ask();
    });
    this._filters.replaceChildren(
      h("label", {}, h("span", {}, i18n.t("opsListing")), listing),
      h("label", {}, h("span", {}, i18n.t("opsState")), state),
      h("label", {}, h("span", {}, i18n.t("opsShowId")), show),
    );
  }

  _draw() {
    const i18n = this._i18n;
    if (!i18n) return;
    this.alarm.replaceChildren(...this._alarms(i18n));
    const rows = this._rows;
    if (this._cut) this._body.replaceChildren(errorLine(i18n.t(this._cutNotice)));
    else if (!rows) this._body.replaceChildren(h("p", { class: "hint" }, i18n.t("loading")));
    else if (!rows.length) this._body.replaceChildren(h("p", { class: "hint" }, i18n.t("opsNoMoney")));
    else {
      const old = this._body.querySelector(".scroll");
      const [top, left] = [old?.scrollTop ?? 0, old?.scrollLeft ?? 0];
      this._body.replaceChildren(table(i18n, this._listing, rows));
      this._body.querySelector(".scroll")?.scrollTo(left, top);
    }
  }

  /** @param {Translator} i18n */
  _alarms(i18n) {
    const lines = [];
    if (this._failed.length) {
      const n = this._failed.length;
      const toList = () => {
        this._listing = "refunds";
        this._state = "failed";
        this._show = "";
        this._drawFilters(i18n);
        this._ask();
        this.element.scrollIntoView();
        this.element.focus();
      };
      lines.push(alarmLine(i18n, i18n.t("opsRefundsFailed", { n }), toList));
    }
    return [...lines, ...missingRegions(i18n, this._missing)];
  }
}

/** @param {Translator} i18n @param {Listing} listing @param {(RefundRow & PaymentRow)[]} rows */
function table(i18n, listing, rows) {
  const heads = [
    "opsWhen",
    "opsAmount",
    "opsState",
    listing === "refunds" ? "opsReason" : "opsBooking",
    "opsPayment",
    "opsShow",
  ];
  const label = i18n.t(listing === "refunds" ? "opsRefunds" : "opsPayments");
  return scrollTable(
    label,
    heads.map((name) => i18n.t(name)),
    rows.map((row) => tableRow(i18n, listing, row)),
  );
}

/** @param {Translator} i18n @param {Listing} listing @param {RefundRow & PaymentRow} row */
function tableRow(i18n, listing, row) {
  const state = listing === "refunds" ? row.state : (row.refund ?? (row.booking ? "booked" : ""));
  const why = listing === "refunds" ? reason(i18n, row) : (row.booking ?? "–");
  return h(
    "tr",
    { "data-state": state },
    h("td", { class: "when" }, moment(row.created_at, i18n)),
    h("td", { class: "amount" }, i18n.moneyLine(row.amount)),
    h("td", {}, h("span", { class: "pill", "data-state": state }, state ? i18n.t(`opsMoney_${state}`) : "–")),
    h("td", { class: listing === "refunds" ? "" : "code" }, why),
    h("td", { class: "code" }, listing === "refunds" ? row.payment : row.id),
    h("td", {}, h("a", { href: `/ops/shows/${encodeURIComponent(row.show_id)}` }, row.show_id)),
  );
}

/** @param {Translator} i18n @param {RefundRow} row */
function reason(i18n, { reason, detail, state }) {
  const words = i18n.has(`opsReason_${reason}`) ? i18n.t(`opsReason_${reason}`) : reason;
  return detail && state === "failed" ? `${words}: ${detail}` : words;
}
