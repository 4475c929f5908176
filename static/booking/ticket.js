/**
 * A ticket on the screen and on paper: show, place, time, seats, and the code as text and as a QR code.
 *
 * @import { Prices } from "../seat-map/types.js"
 * @import { Booking } from "../tickets/kept.js"
 * @import { Translator } from "../i18n/i18n.js"
 */
import { h } from "../app/dom.js";
import { priceLines } from "./price-lines.js";
import { qrCode } from "./qr.js";

/**
 * @typedef {object} Ticket everything that a ticket shows
 * @property {string} id of the booking
 * @property {string} [code] as printed; "" or absent while it is not known
 * @property {string} [qr] the text of the QR code, likewise
 * @property {string} show id
 * @property {string} title
 * @property {string} theatre
 * @property {string} city
 * @property {string} starts_at
 * @property {{id?: string, name: string, section: string}[]} seats
 * @property {Prices | null} [prices] null or absent where this browser does not know them
 */

/** @param {Translator} i18n @param {Ticket} booking @returns {HTMLElement} the QR code is added a moment later */
export function ticket(i18n, { id, code, qr, title, theatre, city, starts_at, seats, prices }) {
  const scan = h("div", { class: "ticket-scan" });
  if (qr)
    qrCode(qr, i18n.t("scanCode")).then((svg) => {
      if (svg) scan.replaceChildren(svg);
    });
  const number = () => h("p", { class: "ticket-number" }, i18n.t("bookingNumber"), " ", ...breakable(id));
  return h(
    "article",
    { class: "ticket" },
    h("p", { class: "ticket-title" }, i18n.name(title)),
    h("p", { class: "ticket-where" }, [theatre, city].filter(Boolean).map(i18n.name).join(", ")),
    h(
      "p",
      { class: "ticket-when" },
      starts_at ? i18n.t("when", { day: i18n.day(starts_at), time: i18n.time(starts_at) }) : "",
    ),
    h(
      "ul",
      { class: "ticket-seats" },
      ...seats.map(({ name, section }) => h("li", {}, h("b", {}, name), h("span", {}, i18n.name(section)))),
    ),
    prices ? priceLines(i18n, prices) : null,
    h(
      "div",
      { class: "ticket-stub" },
      h(
        "div",
        { class: "ticket-code" },
        h("span", { class: "note" }, i18n.t("ticketCode")),
        code ? h("code", {}, code) : h("p", { class: "ticket-waits", role: "status" }, i18n.t("ticketWaits")),
        code ? null : number(),
      ),
      scan,
    ),
  );
}

/** What a gate reads: of bookings of the first releases, which have no code, the id. @param {Booking} booking */
export function printedCode({ id, code, ticket: qr }) {
  return { code: code || id, qr: qr ?? (code ? "" : id) };
}

// A line may break between the parts of an id, but not within the last part, which people compare.
/** @param {string} id */
function breakable(id) {
  const dot = id.lastIndexOf(".") + 1;
  return [id.slice(0, dot), h("wbr"), h("span", { class: "id-own" }, id.slice(dot))];
}
