/**
 * A ticket as it is shown and printed: what, where, when, which seats, and its code to read and to scan.
 *
 * @import { SeatInfo, Show } from "../seat-map/types.js"
 * @import { Speaker } from "../i18n/i18n.js"
 */
import { h } from "../app/dom.js";
import { qrCode } from "./qr.js";

/**
 * @param {Speaker} say
 * @param {object} booking
 * @param {string} booking.code
 * @param {Show | null} booking.show
 * @param {SeatInfo[]} booking.seats
 * @returns {HTMLElement} the scannable code follows by itself
 */
export function ticket(say, { code, show, seats }) {
  const scan = h("div", { class: "ticket-scan" });
  qrCode(code, say.t("scanCode")).then((svg) => {
    if (svg) scan.replaceChildren(svg);
  });
  return h(
    "article",
    { class: "ticket" },
    h("p", { class: "ticket-title" }, show?.title ?? ""),
    h("p", { class: "ticket-where" }, show ? `${show.theatre_name}, ${show.city}` : ""),
    h("p", { class: "ticket-when" }, show ? say.t("when", { day: say.day(show.starts_at), time: say.time(show.starts_at) }) : ""),
    h("ul", { class: "ticket-seats" }, ...seats.map((seat) => h("li", {}, h("b", {}, seatName(seat)), h("span", {}, seat.section)))),
    h("div", { class: "ticket-stub" }, h("div", {}, h("span", { class: "note" }, say.t("ticketCode")), h("code", {}, ...breakable(code))), scan),
  );
}

/** @param {SeatInfo} seat */
export function seatName(seat) {
  return seat.row ? `${seat.row}-${seat.number}` : seat.number;
}

// A long code breaks where its parts meet, never within the part that people compare.
/** @param {string} code */
function breakable(code) {
  const dot = code.lastIndexOf(".") + 1;
  return [code.slice(0, dot), h("wbr"), h("span", { class: "code-own" }, code.slice(dot))];
}
