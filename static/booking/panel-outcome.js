/**
 * The panel after a payment was begun or the time was up: being booked, booked, expired, or not booked.
 *
 * @import { SeatMap } from "../seat-map/seat-map.js"
 * @import { Flow } from "./flow.js"
 * @import { IssuedTicket } from "./issued.js"
 * @import { PanelView } from "./panel-view.js"
 */
import { copies, h } from "../app/dom.js";
import { keepOffline } from "../app/offline.js";
import { ticketOf } from "./panel-view.js";
import { button, note, seatList, title, waiting } from "./pieces.js";
import { refundNotes } from "./refund-notes.js";
import { printedCode, ticket } from "./ticket.js";
import { keepTicket } from "./tickets.js";

/** @param {PanelView} view @returns {(Node | null)[]} */
export function confirming(view) {
  return [title(view.i18n.t("confirming")), waiting(), view.error()];
}

// If only this browser has the payment, the page must stay open.
/** @param {PanelView} view @returns {(Node | null)[]} */
export function pending({ i18n, flow }) {
  const { delivered, gatewaySilent } = flow;
  const words = gatewaySilent ? "gatewaySilent" : delivered ? "pending" : "undelivered";
  return [title(i18n.t(`${words}Title`)), waiting(), h("p", { class: "hint" }, i18n.t(`${words}Hint`))];
}

/** @param {PanelView} view @param {IssuedTicket} tickets asks for the code of the ticket @returns {(Node | null)[]} */
export function booked(view, tickets) {
  const { i18n, flow, map, show, finish } = view;
  const bought = ticketOf(flow, map, show);
  const issued = tickets.of(bought.id, map.live?.connection.base);
  const { code, qr } = issued ? printedCode(issued) : { code: "", qr: "" };
  // Not at a kiosk, where the next person would see it.
  if (show && bought.seats.length && !finish) {
    keepTicket(bought);
    keepOffline("/tickets");
  }
  return [
    title(i18n.t("bookedTitle")),
    swapped(view),
    flow.late && !flow.wanted.length ? note("good", "late", i18n.t("bookedLate")) : null,
    ...refundNotes(i18n, flow.refunds),
    ticket(i18n, { ...bought, code, qr }),
    issued ? h("p", { class: "hint" }, i18n.t(finish ? "bookedKioskHint" : "bookedHint")) : null,
    // The clipboard exists on https and localhost only, and is of no use at a kiosk.
    h(
      "div",
      { class: "pair" },
      !finish && navigator.clipboard
        ? button("copy", i18n.t("copy"), "quiet", copies(code, i18n.t("copied")), !issued)
        : null,
      button("print", i18n.t("print"), "quiet", () => window.print(), !issued),
    ),
    finish
      ? button("finish", i18n.t("finish"), "primary", finish)
      : button("again", i18n.t("again"), "plain", () => flow.restart()),
  ];
}

// The seats that were asked for were taken, and equal ones were booked in their place.
/** @param {PanelView} view */
function swapped(view) {
  const { seats, wanted } = view.flow;
  if (!wanted.length) return null;
  return note("warn", "swapped", view.i18n.t("bookedInstead", { seats: view.names(seats) }));
}

/** @param {PanelView} view @returns {(Node | null)[]} */
export function rejected(view) {
  const { i18n, flow } = view;
  const { reason, refunds } = flow;
  const hint = refunds.length ? "" : i18n.t(reason ? "notBookedHint" : "rejectedHint");
  return [
    title(i18n.t(reason ? "notBookedTitle" : "rejectedTitle")),
    h("p", { class: "hint" }, [reason ? view.words(reason) : "", hint].filter(Boolean).join(" ")),
    ...refundNotes(i18n, refunds),
    seatList(i18n, view.infos(flow.seats), { priced: false }),
    button("again", i18n.t("chooseOthers"), "primary", () => flow.restart()),
  ];
}

/** The seats of a booking that nobody has. @param {Flow} flow @param {SeatMap} map */
export function freeOf({ seats }, map) {
  return seats.filter((id) => map.isFree(id));
}

/** @param {PanelView} view @returns {(Node | null)[]} */
export function expired(view) {
  const { i18n, flow, map } = view;
  const { reason, refunds, seats } = flow;
  const free = freeOf(flow, map);
  const all = free.length === seats.length;
  const lost = reason === "hold_lost";
  const some = free.length ? i18n.t("someFree", { seats: view.names(free) }) : i18n.t("noneFree");
  // Nobody was charged, unless the buyer was sent to pay.
  const money = refunds.length ? "expiredReleased" : flow.begun ? "expiredBegun" : lost ? "lostHint" : "expiredHint";
  return [
    title(i18n.t(lost ? "lostTitle" : "expiredTitle")),
    h("p", { class: "hint" }, `${i18n.t(money)} ${all ? i18n.t("stillFree") : some}`),
    ...refundNotes(i18n, refunds),
    seatList(i18n, view.infos(seats)),
    view.error(),
    free.length ? button("hold-again", i18n.t("holdAgain"), "primary", () => flow.hold(free)) : null,
    button("again", i18n.t("chooseOthers"), free.length ? "quiet" : "primary", () => flow.restart()),
  ];
}
