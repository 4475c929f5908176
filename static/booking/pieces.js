/**
 * The small parts of the booking panel.
 *
 * @import { SeatInfo } from "../seat-map/types.js"
 * @import { Translator } from "../i18n/i18n.js"
 */
import { h, icon } from "../app/dom.js";
import { seatName } from "./ticket.js";

/** @param {string} text */
export function title(text) {
  return h("h2", { tabindex: -1, "data-key": "title" }, text);
}

/** Something is under way. */
export function waiting() {
  return h("div", { class: "wait", "aria-hidden": "true" }, h("i"), h("i"), h("i"));
}

/** @param {string} code @param {string} text */
export function errorNote(code, text) {
  return h("p", { class: "error", role: "alert", "data-code": code }, icon("alert"), h("span", {}, text));
}

/** @param {string} key @param {string} text @param {string} look @param {(event: Event) => void} act @param {boolean} [disabled] */
export function button(key, text, look, act, disabled = false) {
  return h("button", { type: "button", class: `button ${look}`, "data-key": key, disabled, onclick: act }, text);
}

/**
 * The seats of a booking, a line each.
 * @param {Translator} i18n
 * @param {SeatInfo[]} seats
 * @param {((id: string) => void) | null} [remove] gives each seat a button that removes it
 */
export function seatList(i18n, seats, remove = null) {
  return h("ul", { class: "seats" }, ...seats.map((seat) => seatLine(i18n, seat, remove)));
}

/** @param {Translator} i18n @param {SeatInfo} seat @param {((id: string) => void) | null} remove */
function seatLine(i18n, seat, remove) {
  const where = [seat.section, seat.category, seat.accessible ? i18n.t("accessible") : ""];
  const label = i18n.t("removeSeat", { seat: seatName(seat) });
  const drop = {
    class: "remove",
    type: "button",
    "data-key": `drop-${seat.id}`,
    "aria-label": label,
    onclick: () => remove?.(seat.id),
  };
  return h(
    "li",
    {},
    h("b", { class: "seat-name" }, seatName(seat)),
    h("span", { class: "seat-where" }, where.filter(Boolean).join(" · ")),
    h("span", { class: "seat-price" }, seat.price === null ? "" : i18n.rupees(seat.price)),
    remove ? h("button", drop, icon("close")) : null,
  );
}

/** @param {Translator} i18n @param {SeatInfo[]} seats */
export function totalLine(i18n, seats) {
  const label = `${i18n.t("total")} · ${i18n.t("seatsN", { n: seats.length })}`;
  return h("p", { class: "total" }, h("span", {}, label), h("b", {}, i18n.rupees(priceOf(seats))));
}

/** What seats cost together, whole rupees. @param {SeatInfo[]} seats */
export function priceOf(seats) {
  return seats.reduce((total, seat) => total + (seat.price ?? 0), 0);
}
