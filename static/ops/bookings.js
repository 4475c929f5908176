/**
 * The section in which operators find bookings, read all that is known about one, and cancel it.
 *
 * @import { Translator } from "../i18n/i18n.js"
 */
import { h, icon } from "../app/dom.js";
import { ApiError, ask } from "./api.js";

const BOOKING = /^[a-z][a-z0-9]*-[a-z0-9-]+\.b[\w-]{22}$/;
const CODE = /^[A-Za-z0-9]{4}[\s\-._/]*[A-Za-z0-9]{4}$/;

/** @typedef {{id: string, code: string, title: string, show: string, starts_at: string, booked_at: number, amount: number, state: string, seats: {id: string}[], cancelled_by: string, cancelled_at: number | null}} Found */
/** @typedef {{booking: Found, hold: {state: string} | null, orders: {id: string, state: string, created_at: number}[], payments: {id: string, amount: number, created_at: number}[], refunds: {id: string, amount: number, state: string, reason: string, created_at: number}[], tasks: {id: string, created_at: number, done_at: number | null}[], admission: {at: number, gate: string} | null}} Story */

export class Bookings {
  /** @param {(why: string) => void} leave called when the operator key is not valid any more @param {string} [show] search in this show only */
  constructor(leave, show = "") {
    this._leave = leave;
    this._show = show;
    this._words = "";
    this._seat = "";
    /** @type {Found[] | null} */
    this._found = null;
    /** @type {Story | null} */
    this._story = null;
    this._asking = false;
    this._problem = "";
    /** @type {Translator | null} */
    this._i18n = null;
    this._body = h("div", { class: "rows", "aria-live": "polite" });
    this.element = h("section", { class: "money", id: "bookings", tabindex: -1 });
  }

  /** @param {Translator} i18n */
  localize(i18n) {
    this._i18n = i18n;
    this.element.replaceChildren(h("h2", {}, i18n.t("opsBookings")), this._form(i18n), this._body);
    this._draw();
  }

  /** Find the booking of a seat of this show. @param {string} seat id */
  findSeat(seat) {
    this._words = "";
    this._seat = seat;
    if (this._i18n) this.localize(this._i18n);
    this._find();
  }

  /** @param {Translator} i18n */
  _form(i18n) {
    const field = (/** @type {string} */ id, /** @type {string} */ label, /** @type {string} */ value) =>
      h(
        "label",
        {},
        h("span", {}, i18n.t(label)),
        h("input", { id, type: "search", name: id, value, autocomplete: "off" }),
      );
    const submit = (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      const typed = new FormData(/** @type {HTMLFormElement} */ (event.target));
      this._words = String(typed.get("booking-words") ?? "").trim();
      this._seat = String(typed.get("booking-seat") ?? "").trim();
      this._find();
    };
    return h(
      "form",
      { class: "filters", onsubmit: submit },
      field("booking-words", "opsFindBooking", this._words),
      this._show ? field("booking-seat", "opsSeat", this._seat) : null,
      h("button", { class: "button", type: "submit" }, i18n.t("opsFind")),
    );
  }

  async _find() {
    const query = new URLSearchParams();
    if (this._words)
      query.set(BOOKING.test(this._words) ? "booking" : CODE.test(this._words) ? "code" : "payment", this._words);
    if (this._seat) query.set("seat", this._seat);
    if (this._show) query.set("show", this._show);
    if (![...query].length) return;
    await this._try(async () => {
      const { bookings, missing } = await ask(`/ops/bookings?${query}`);
      this._found = bookings;
      this._story = null;
      this._problem = missing.length ? "opsMoneyMissing" : "";
      if (bookings.length === 1) await this._open(bookings[0].id);
    });
  }

  /** @param {string} id */
  async _open(id) {
    await this._try(async () => {
      this._story = await ask(`/ops/bookings/${encodeURIComponent(id)}`);
    });
  }

  /** @param {string} id */
  async _cancel(id) {
    this._asking = false;
    await this._try(async () => {
      await ask(`/ops/bookings/${encodeURIComponent(id)}/cancel`, {});
      this._story = await ask(`/ops/bookings/${encodeURIComponent(id)}`);
    });
  }

  /** @param {() => Promise<void>} act */
  async _try(act) {
    try {
      this._problem = "";
      await act();
    } catch (error) {
      if (error instanceof ApiError && error.status === 403) {
        this._leave("opsWrongKey");
        return;
      }
      const code = error instanceof ApiError ? error.code : "";
      if (code === "bad_request" || code.endsWith("_not_found")) this._found = [];
      else this._problem = "opsMoneyCut";
    }
    this._draw();
  }

  // --- drawing ------------------------------------------------------------------------------------------------------
  _draw() {
    const i18n = this._i18n;
    if (!i18n) return;
    if (this._problem) {
      const text = i18n.t(this._problem, { regions: "" });
      this._body.replaceChildren(h("p", { class: "error" }, icon("alert"), h("span", {}, text)));
    } else if (this._story) this._body.replaceChildren(this._storyView(i18n, this._story));
    else if (this._found) {
      this._body.replaceChildren(
        this._found.length
          ? h("ul", { class: "show-list" }, ...this._found.map((each) => this._line(i18n, each)))
          : none(i18n),
      );
    } else this._body.replaceChildren();
  }

  /** @param {Translator} i18n @param {Found} found */
  _line(i18n, found) {
    const seats = i18n.list(found.seats.map(({ id }) => id));
    return h(
      "li",
      {},
      h(
        "button",
        { class: "button", type: "button", "data-booking": found.id, onclick: () => this._open(found.id) },
        h("b", {}, found.code || found.id),
        h("span", {}, ` ${found.title} · ${seats}`),
        found.state === "cancelled" ? h("em", {}, ` ${i18n.t("ops_cancelled")}`) : null,
      ),
    );
  }

  /** @param {Translator} i18n @param {Story} story */
  _storyView(i18n, { booking, orders, payments, refunds, tasks, admission }) {
    const at = (/** @type {number} */ time) => `${i18n.shortDay(time)}, ${i18n.clock(time)}`;
    /** @type {[number, string][]} */
    const events = [
      ...orders.map(
        ({ id, state, created_at }) =>
          /** @type {[number, string]} */ ([created_at, `${i18n.t("opsOrder")} ${id}: ${state}`]),
      ),
      ...payments.map(
        ({ id, amount, created_at }) =>
          /** @type {[number, string]} */ ([created_at, `${i18n.t("opsPayment")} ${id}: ${i18n.money(amount)}`]),
      ),
      [booking.booked_at, i18n.t("ops_booked")],
      ...(booking.cancelled_at
        ? [/** @type {[number, string]} */ ([booking.cancelled_at, i18n.t("ops_cancelled")])]
        : []),
      ...refunds.map(
        ({ amount, state, created_at }) =>
          /** @type {[number, string]} */ ([
            created_at,
            `${i18n.t("opsRefunds")}: ${i18n.money(amount)}, ${i18n.t(`opsMoney_${state}`)}`,
          ]),
      ),
      ...tasks.map(
        ({ id, created_at, done_at }) =>
          /** @type {[number, string]} */ ([
            done_at ?? created_at,
            `${id}: ${i18n.t(done_at ? "opsTaskDone" : "opsTaskOpen")}`,
          ]),
      ),
      ...(admission
        ? [/** @type {[number, string]} */ ([admission.at, `${i18n.t("opsAdmitted")} ${admission.gate}`])]
        : []),
    ];
    events.sort((a, b) => a[0] - b[0]);
    return h(
      "article",
      { class: "story", "data-booking": booking.id },
      h("h3", {}, `${booking.code || booking.id} · ${booking.title}`),
      h("p", {}, h("a", { href: `/ops/shows/${encodeURIComponent(booking.show)}` }, booking.show)),
      h("p", {}, `${i18n.list(booking.seats.map(({ id }) => id))} · ${i18n.money(booking.amount)}`),
      h("ol", {}, ...events.map(([time, text]) => h("li", {}, h("time", {}, at(time)), ` ${text}`))),
      booking.state === "cancelled" ? null : this._cancelling(i18n, booking),
    );
  }

  /** @param {Translator} i18n @param {Found} booking */
  _cancelling(i18n, booking) {
    const ask = (/** @type {boolean} */ asking) => {
      this._asking = asking;
      this._draw();
      /** @type {HTMLElement | null} */ (
        this._body.querySelector(asking ? ".question .primary" : "[data-act=cancel]")
      )?.focus();
    };
    if (!this._asking)
      return h(
        "button",
        { class: "button", type: "button", "data-act": "cancel", onclick: () => ask(true) },
        i18n.t("cancelBooking"),
      );
    return h(
      "div",
      { class: "question", role: "alertdialog", "aria-label": i18n.t("cancelBooking") },
      h("p", {}, i18n.t("opsCancelAsk", { amount: i18n.money(booking.amount) })),
      h(
        "div",
        { class: "row" },
        h(
          "button",
          { class: "button primary", type: "button", onclick: () => this._cancel(booking.id) },
          i18n.t("cancelYes"),
        ),
        h("button", { class: "button", type: "button", onclick: () => ask(false) }, i18n.t("opsKeepBooking")),
      ),
    );
  }
}

/** @param {Translator} i18n */
function none(i18n) {
  return h("p", { class: "hint" }, i18n.t("opsNoBooking"));
}
