/**
 * The parts of the page of tickets that only show data.
 *
 * @import { Booking } from "./kept.js"
 * @import { Translator } from "../i18n/i18n.js"
 */
import { h, icon } from "../app/dom.js";
import { seatName } from "../app/seat-name.js";
import { printedCode, ticket } from "../booking/ticket.js";

/** Whether a booking can be cancelled here. @param {Booking} booking @param {number} now ms since the epoch, by the server's clock */
export function mayCancel(booking, now) {
  return now < booking.cancel_until && !booking.admitted_at && !booking.linked;
}

/** The `data-key` of a control of a booking. @param {string} id @param {string} control */
export function keyOf(id, control) {
  return `${id} ${control}`;
}

/**
 * A ticket with what can be done with it.
 * @param {Translator} i18n
 * @param {Booking} booking
 * @param {{savePdf: () => void, ask: () => void, keep: () => void, cancel: () => void, share: () => void}} acts
 * @param {{asking: boolean, sent: boolean, link: Node | null, cancellable: boolean}} state `link` shows the link to the ticket
 */
export function bookingCard(i18n, booking, acts, { asking, sent, link, cancellable }) {
  const { id, code, title, theatre, city, starts_at, prices, show } = booking;
  const seats = booking.seats.map((seat) => ({ name: seatName(seat), section: seat.section }));
  const shown = { id, show, title, theatre, city, starts_at, seats, prices, ...printedCode(booking) };
  const button = (/** @type {string} */ look, /** @type {string} */ text, /** @type {() => void} */ act) =>
    h(
      "button",
      { class: `button ${look}`, type: "button", "data-key": keyOf(id, look), onclick: act, disabled: sent },
      i18n.t(text),
    );
  const amount = i18n.money(booking.amount);
  const question = h(
    "div",
    { class: "question", role: "alertdialog", "aria-label": i18n.t("cancelBooking") },
    h("p", {}, i18n.t("cancelAsk", { amount })),
    h("div", { class: "pair" }, button("keep", "cancelKeep", acts.keep), button("yes", "cancelYes", acts.cancel)),
  );
  const buttons = h(
    "div",
    { class: "pair" },
    code ? button("pdf", "ticketPdf", acts.savePdf) : null,
    booking.link ? button("share", link ? "shareClose" : "shareTicket", acts.share) : null,
    cancellable ? button("cancel", "cancelBooking", acts.ask) : null,
  );
  const until = cancellable
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

/**
 * Bookings that are cancelled or whose show is over, a line each. That of one which stands opens its ticket: the clock by
 * which the show is over may be wrong.
 * @param {Translator} i18n
 * @param {Booking[]} bookings
 * @param {object} how
 * @param {boolean} how.open whether the lines are in sight
 * @param {(booking: Booking) => Node | null} how.ticketOf null while it is not open
 * @param {(id: string) => void} how.turn opens the ticket, or closes it
 */
export function earlierList(i18n, bookings, { open, ticketOf, turn }) {
  const line = (/** @type {Booking} */ booking) => {
    const { id, title, starts_at, seats, state, amount } = booking;
    const about = [
      h("b", {}, i18n.name(title)),
      h("span", {}, `${i18n.moment(starts_at)} · ${i18n.list(seats.map(seatName))}`),
    ];
    if (state === "cancelled")
      return h("li", {}, ...about, h("em", {}, i18n.t("cancelledRefund", { amount: i18n.money(amount) })));
    const shown = ticketOf(booking);
    const attributes = {
      class: "my-ticket",
      type: "button",
      "data-key": keyOf(id, "open"),
      "aria-expanded": String(Boolean(shown)),
      onclick: () => turn(id),
    };
    return h("li", {}, h("button", attributes, icon("ticket"), h("span", {}, ...about)), shown);
  };
  return h(
    "details",
    { class: "earlier", open },
    h("summary", { "data-key": "earlier" }, i18n.t("earlierTickets")),
    h("ul", {}, ...bookings.map(line)),
  );
}
