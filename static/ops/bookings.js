/**
 * The section in which operators find bookings, read all that is known about one, move it to other seats,
 * stop the links to its ticket and cancel it.
 *
 * @import { Translator } from "../i18n/i18n.js"
 */
import { errorLine, h } from "../app/dom.js";
import { seatName, staffSeatName } from "../app/seat-name.js";
import { ApiError, ask, isKeyRefused } from "./api.js";
import { ExchangeForm } from "./exchange.js";
import { moment } from "./format.js";
import { missingRegions, question } from "./pieces.js";

const BOOKING = /^[a-z][a-z0-9]*-[a-z0-9-]+\.b[\w-]{22}$/;
const PHONE = /^\+?\d[\d\s-]{5,19}$/;
const CODE = /^[A-Za-z0-9]{4}[\s\-._/]*[A-Za-z0-9]{4}$/;

/** As tickets state it. @typedef {{id: string, section?: string, row?: string, number?: string}} BookedSeat */
/** @typedef {{id: string, code: string, title: string, show: string, starts_at: string, booked_at: number, amount: number, state: string, seats: BookedSeat[], cancelled_by: string, cancelled_at: number | null, links_revoked_at: number}} Found */
/** @typedef {{booking: Found, hold: {state: string} | null, orders: {id: string, state: string, created_at: number}[], payments: {id: string, amount: number, created_at: number}[], exchanges: {at: number, before: string[], after: string[], seats?: Record<string, [section: string, row: string, number: string]>}[], refunds: {id: string, amount: number, state: string, reason: string, created_at: number}[], tasks: {id: string, created_at: number, done_at: number | null}[], conflicts: {kind: string, gate: string, reported_at: number}[], admission: {at: number, gate: string} | null}} Story */

export class Bookings {
  /** @param {(why: string) => void} leave called when the operator key is not valid any more */
  constructor(leave) {
    this._leave = leave;
    this._words = "";
    /** @type {Found[] | null} */
    this._found = null;
    /** Regions whose ledger did not answer. @type {string[]} */
    this._missing = [];
    /** @type {Story | null} */
    this._story = null;
    /** What the operator is asked about. @type {"" | "cancel" | "links"} */
    this._asking = "";
    /** @type {ExchangeForm | null} */
    this._exchange = null;
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

  /** @param {Translator} i18n */
  _form(i18n) {
    const words = h("input", { id: "booking-words", type: "search", value: this._words, autocomplete: "off" });
    const submit = (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      this._words = words.value.trim();
      this._find();
    };
    return h(
      "form",
      { class: "filters", onsubmit: submit },
      h("label", {}, h("span", {}, i18n.t("opsFindBooking")), words),
      h("button", { class: "button", type: "submit" }, i18n.t("opsFind")),
    );
  }

  async _find() {
    const words = this._words;
    if (!words) return;
    this._found = null;
    this._story = null;
    const contact = words.includes("@") ? { email: words } : PHONE.test(words) ? { phone: words } : null;
    const what = BOOKING.test(words) ? "booking" : CODE.test(words) ? "code" : "payment";
    await this._try(async () => {
      // A person's contact is in no address, which balancers log.
      const { bookings, missing } = contact
        ? await ask("/ops/bookings/search", contact)
        : await ask(`/ops/bookings?${new URLSearchParams({ [what]: words })}`);
      this._found = bookings;
      this._missing = missing;
      if (bookings.length === 1) await this._read(bookings[0].id);
    });
  }

  /** Show the story of a booking, and move there. @param {string} id */
  async showBooking(id) {
    await this._open(id);
    this.element.scrollIntoView();
    this.element.focus();
  }

  /** @param {string} id */
  async _open(id) {
    await this._try(() => this._read(id));
  }

  /** @param {string} id */
  async _cancel(id) {
    await this._try(async () => {
      await ask(`/ops/bookings/${encodeURIComponent(id)}/cancel`, {});
      await this._read(id);
    });
  }

  /** @param {string} id */
  async _stopLinks(id) {
    await this._try(async () => {
      await ask(`/ops/bookings/${encodeURIComponent(id)}/revoke-links`, {});
      await this._read(id);
    });
    this._focus("[data-act=links]");
  }

  /** @param {string} id */
  async _read(id) {
    this._story = await ask(`/ops/bookings/${encodeURIComponent(id)}`);
  }

  /** @param {() => Promise<void>} act */
  async _try(act) {
    this._asking = "";
    this._exchange = null;
    this._problem = "";
    try {
      await act();
    } catch (error) {
      if (isKeyRefused(error)) {
        this._leave("opsWrongKey");
        return;
      }
      const code = error instanceof ApiError ? error.code : "";
      if (code === "bad_request" || code.endsWith("_not_found")) {
        this._found = [];
        this._story = null;
      } else this._problem = this._i18n?.has(`err_${code}`) ? `err_${code}` : "err_internal";
    }
    this._draw();
  }

  // --- drawing ------------------------------------------------------------------------------------------------------
  _draw() {
    const i18n = this._i18n;
    if (!i18n) return;
    this._body.replaceChildren(
      ...missingRegions(i18n, this._missing),
      ...(this._problem ? [errorLine(i18n.t(this._problem))] : []),
      ...this._answer(i18n),
    );
  }

  /** @param {Translator} i18n @returns {Node[]} */
  _answer(i18n) {
    if (this._story) return [this._storyView(i18n, this._story)];
    if (!this._found) return [];
    if (!this._found.length) return [h("p", { class: "hint" }, i18n.t("opsNoBooking"))];
    return [h("ul", { class: "show-list" }, ...this._found.map((each) => this._line(i18n, each)))];
  }

  /** @param {Translator} i18n @param {Found} found */
  _line(i18n, found) {
    const seats = seatNames(i18n, found.seats);
    return h(
      "li",
      {},
      h(
        "button",
        { class: "button", type: "button", "data-booking": found.id, onclick: () => this._open(found.id) },
        h("b", {}, found.code || found.id),
        h("span", {}, ` ${i18n.name(found.title)} · ${seats}`),
        found.state === "cancelled" ? h("em", {}, ` ${i18n.t("ops_cancelled")}`) : null,
      ),
    );
  }

  /** @param {Translator} i18n @param {Story} story */
  _storyView(i18n, story) {
    const { booking } = story;
    return h(
      "article",
      { class: "story", "data-booking": booking.id },
      h("h3", {}, `${booking.code || booking.id} · ${i18n.name(booking.title)}`),
      h("p", {}, h("a", { href: `/ops/shows/${encodeURIComponent(booking.show)}` }, booking.show)),
      h("p", {}, `${seatNames(i18n, booking.seats)} · ${i18n.money(booking.amount)}`),
      h(
        "ol",
        {},
        ...events(i18n, story).map(({ time, text }) => h("li", {}, h("time", {}, moment(time, i18n)), ` ${text}`)),
      ),
      booking.state === "cancelled" ? null : this._acts(i18n, booking),
    );
  }

  /** @param {Translator} i18n @param {Found} booking */
  _acts(i18n, booking) {
    if (this._exchange) return this._exchange.view(i18n);
    if (this._asking) return this._question(i18n, booking);
    const button = (/** @type {"exchange" | "links" | "cancel"} */ act, /** @type {string} */ text) =>
      h(
        "button",
        { class: "button", type: "button", "data-act": act, onclick: () => this._ask(booking, act) },
        i18n.t(text),
      );
    return h(
      "div",
      { class: "row" },
      button("exchange", "opsExchange"),
      button("links", "linksStop"),
      button("cancel", "cancelBooking"),
    );
  }

  /** @param {Found} booking @param {"exchange" | "links" | "cancel"} act what the operator is asked about */
  _ask(booking, act) {
    const close = () => this._close(act);
    const moved = () => this._open(booking.id);
    if (act === "exchange") this._exchange = new ExchangeForm(booking, moved, close);
    else this._asking = act;
    this._draw();
    this._focus(act === "exchange" ? "#exchange-seats" : ".question .primary");
  }

  /** @param {"exchange" | "links" | "cancel"} act */
  _close(act) {
    this._exchange = null;
    this._asking = "";
    this._draw();
    this._focus(`[data-act=${act}]`);
  }

  /** @param {string} selector */
  _focus(selector) {
    /** @type {HTMLElement | null} */ (this._body.querySelector(selector))?.focus();
  }

  /** @param {Translator} i18n @param {Found} booking */
  _question(i18n, booking) {
    if (this._asking === "links") {
      return question(
        i18n.t("linksStop"),
        i18n.t("opsLinksAsk"),
        { words: i18n.t("linksStopYes"), act: () => this._stopLinks(booking.id) },
        { words: i18n.t("linksKeep"), act: () => this._close("links") },
      );
    }
    return question(
      i18n.t("cancelBooking"),
      i18n.t("opsCancelAsk", { amount: i18n.money(booking.amount) }),
      { words: i18n.t("cancelYes"), act: () => this._cancel(booking.id) },
      { words: i18n.t("opsKeepBooking"), act: () => this._close("cancel") },
    );
  }
}

/** @param {Translator} i18n @param {BookedSeat[]} seats */
function seatNames(i18n, seats) {
  return i18n.list(seats.map((seat) => staffSeatName(seat.id, seatName(seat))));
}

/** What happened to a booking, in the order of time. @param {Translator} i18n @param {Story} story */
function events(i18n, { booking, exchanges, orders, payments, refunds, tasks, admission, conflicts }) {
  const event = (/** @type {number} */ time, /** @type {string} */ text) => ({ time, text });
  const found = [
    ...orders.map(({ id, state, created_at }) => event(created_at, `${i18n.t("opsOrder")} ${id}: ${state}`)),
    ...payments.map(({ id, amount, created_at }) =>
      event(created_at, `${i18n.t("opsPayment")} ${id}: ${i18n.money(amount)}`),
    ),
    event(booking.booked_at, i18n.t("ops_booked")),
    ...exchanges.map(({ at, before, after, seats = {} }) => {
      const seat = (/** @type {string} */ id) => ({ id, row: seats[id]?.[1], number: seats[id]?.[2] });
      const names = (/** @type {string[]} */ ids) => seatNames(i18n, ids.map(seat));
      return event(at, `${i18n.t("ops_exchanged")}: ${names(before)} → ${names(after)}`);
    }),
    ...refunds.map(({ amount, state, created_at }) =>
      event(created_at, `${i18n.t("opsRefunds")}: ${i18n.money(amount)}, ${i18n.t(`opsMoney_${state}`)}`),
    ),
    ...conflicts.map(({ kind, gate, reported_at }) => event(reported_at, `${i18n.t(`opsConflict_${kind}`)} ${gate}`)),
    ...tasks.map(({ id, created_at, done_at }) =>
      event(done_at ?? created_at, `${id}: ${i18n.t(done_at ? "opsTaskDone" : "opsTaskOpen")}`),
    ),
  ];
  if (booking.links_revoked_at) found.push(event(booking.links_revoked_at, i18n.t("opsLinksStopped")));
  if (booking.cancelled_at) found.push(event(booking.cancelled_at, i18n.t("ops_cancelled")));
  if (admission) found.push(event(admission.at, `${i18n.t("opsAdmitted")} ${admission.gate}`));
  return found.sort((a, b) => a.time - b.time);
}
