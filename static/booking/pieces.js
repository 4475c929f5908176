/**
 * The small parts of the booking panel.
 *
 * @import { SeatInfo } from "../seat-map/types.js"
 * @import { Translator } from "../i18n/i18n.js"
 */
import { errorLine, h, icon } from "../app/dom.js";

/** The names of seats that are longer than this have a line of their own. */
const LONG = 10;

/** @param {string} text */
export function title(text) {
  return h("h2", { tabindex: -1, "data-key": "title" }, text);
}

/** Something is under way. */
export function waiting() {
  return h("div", { class: "wait", "aria-hidden": "true" }, h("i"), h("i"), h("i"));
}

/** The end of a panel, in sight however much is above it. @param {...(Node | null)} content */
export function foot(...content) {
  return h("div", { class: "panel-foot" }, ...content);
}

/** @param {string} code @param {string} text */
export function errorNote(code, text) {
  return errorLine(text, { role: "alert", "data-code": code });
}

/** @param {string} key @param {string} text @param {string} look @param {(event: Event) => void} act @param {boolean} [disabled] */
export function button(key, text, look, act, disabled = false) {
  return h("button", { type: "button", class: `button ${look}`, "data-key": key, disabled, onclick: act }, text);
}

/**
 * The seats of a booking, a line each.
 * @param {Translator} i18n
 * @param {SeatInfo[]} seats
 * @param {object} [how]
 * @param {((id: string) => void) | null} [how.remove] gives each seat a button that removes it
 * @param {boolean} [how.priced] whether each seat has its price; not where price lines follow
 */
export function seatList(i18n, seats, { remove = null, priced = true } = {}) {
  const places = new Set(seats.map((seat) => place(i18n, seat)));
  // Where all seats are at one place, chips on a phone state it once.
  const once = places.size === 1 && seats.length > 1 ? h("li", { class: "seats-place" }, [...places][0]) : null;
  const lines = seats.map((seat) => seatLine(i18n, seat, remove, priced));
  return h("ul", { class: once ? "seats at-one-place" : "seats" }, ...lines, once);
}

/** @param {Translator} i18n @param {SeatInfo} seat */
function place(i18n, seat) {
  return [i18n.name(seat.section), i18n.name(seat.category), seat.accessible ? i18n.t("accessible") : ""]
    .filter(Boolean)
    .join(" · ");
}

/** @param {Translator} i18n @param {SeatInfo} seat @param {((id: string) => void) | null} remove @param {boolean} priced */
function seatLine(i18n, seat, remove, priced) {
  const label = i18n.t("removeSeat", { seat: seat.label });
  const drop = {
    class: "remove",
    type: "button",
    "data-key": `drop-${seat.id}`,
    "aria-label": label,
    onclick: () => remove?.(seat.id),
  };
  return h(
    "li",
    { class: seat.label.length > LONG ? "long" : null },
    h("b", { class: "seat-name" }, seat.label),
    h("span", { class: "seat-where" }, place(i18n, seat)),
    h("span", { class: "seat-price" }, seat.price === null || !priced ? "" : i18n.rupees(seat.price)),
    remove ? h("button", drop, icon("close")) : null,
  );
}

/** @param {Translator} i18n @param {SeatInfo[]} seats */
export function totalLine(i18n, seats) {
  const label = `${i18n.t("total")} · ${i18n.t("seatsN", { n: seats.length })}`;
  // In paise, which add up without rounding errors.
  const total = seats.reduce((sum, seat) => sum + Math.round((seat.price ?? 0) * 100), 0);
  const included = h("small", {}, i18n.t("allIncluded"));
  return h("p", { class: "total" }, h("span", {}, label, included), h("b", {}, i18n.money(total)));
}

/** Something that the buyer must know, in a box. @param {"good" | "warn"} look @param {string} key @param {...(Node | string)} text */
export function note(look, key, ...text) {
  return h(
    "p",
    { class: `notice ${look}`, "data-note": key, role: "status" },
    icon(look === "good" ? "info" : "alert"),
    h("span", {}, ...text),
  );
}
