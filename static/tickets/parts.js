/**
 * The parts of the page of tickets that only show data.
 *
 * @import { Booking } from "./kept.js"
 * @import { Translator } from "../i18n/i18n.js"
 */
import { h } from "../app/dom.js";
import { seatName } from "../app/seat-name.js";
import { printedCode, ticket } from "../booking/ticket.js";

/**
 * A ticket with what can be done with it.
 * @param {Translator} i18n
 * @param {Booking} booking
 * @param {{savePdf: () => void, ask: () => void, keep: () => void, cancel: () => void, share: () => void}} acts
 * @param {{asking: boolean, sent: boolean, link: Node | null, now: number}} state `link` shows the link to the ticket
 */
export function bookingCard(i18n, booking, acts, { asking, sent, link, now }) {
  const { id, code, title, theatre, city, starts_at, prices, show } = booking;
  const seats = booking.seats.map((seat) => ({ name: seatName(seat), section: seat.section }));
  const shown = { id, show, title, theatre, city, starts_at, seats, prices, ...printedCode(booking) };
  const button = (/** @type {string} */ look, /** @type {string} */ text, /** @type {() => void} */ act) =>
    h("button", { class: `button ${look}`, type: "button", onclick: act, disabled: sent }, i18n.t(text));
  const amount = i18n.money(booking.amount);
  const question = h(
    "div",
    { class: "question", role: "alertdialog", "aria-label": i18n.t("cancelBooking") },
    h("p", {}, i18n.t("cancelAsk", { amount })),
    h("div", { class: "pair" }, button("keep", "cancelKeep", acts.keep), button("yes", "cancelYes", acts.cancel)),
  );
  const mayCancel = now < booking.cancel_until && !booking.admitted_at && !booking.linked;
  const buttons = h(
    "div",
    { class: "pair" },
    code ? button("pdf", "ticketPdf", acts.savePdf) : null,
    booking.link ? button("share", link ? "shareClose" : "shareTicket", acts.share) : null,
    mayCancel ? button("cancel", "cancelBooking", acts.ask) : null,
  );
  const until = mayCancel
    ? i18n.t("cancelUntil", { when: i18n.moment(booking.cancel_until) })
    : i18n.t(booking.linked ? "linkedTicket" : "cancelOver");
  return h(
    "section",
    { class: "booked", "data-booking": id, "aria-label": i18n.t("ticketOf", { title: i18n.name(title) }) },
    ticket(i18n, shown),
    booking.admitted_at
      ? h("p", { class: "hint" }, i18n.t("admittedAt", { time: i18n.time(booking.admitted_at) }))
      : null,
    asking ? question : buttons,
    link,
    h("p", { class: "note" }, until),
  );
}

/** Bookings that are cancelled or whose show is over. @param {Translator} i18n @param {Booking[]} bookings */
export function earlierList(i18n, bookings) {
  const line = (/** @type {Booking} */ { title, starts_at, seats, state, amount }) =>
    h(
      "li",
      {},
      h("b", {}, i18n.name(title)),
      h("span", {}, `${i18n.moment(starts_at)} · ${i18n.list(seats.map(seatName))}`),
      state === "cancelled" ? h("em", {}, i18n.t("cancelledRefund", { amount: i18n.money(amount) })) : null,
    );
  return h(
    "details",
    { class: "earlier" },
    h("summary", {}, i18n.t("earlierTickets")),
    h("ul", {}, ...bookings.map(line)),
  );
}
