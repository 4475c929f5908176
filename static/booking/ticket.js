/**
 * A ticket on the screen and on paper: show, place, time, seats, and the code as text and as a QR code.
 *
 * @import { Prices } from "../seat-map/types.js"
 * @import { Translator } from "../i18n/i18n.js"
 */
import { h } from "../app/dom.js";
import { priceLines } from "./price-lines.js";
import { qrCode } from "./qr.js";

/**
 * @typedef {object} Ticket everything that a ticket shows
 * @property {string} code
 * @property {string} [qr] the text of the QR code, if it is not the code
 * @property {string} show id
 * @property {string} title
 * @property {string} theatre
 * @property {string} city
 * @property {string} starts_at
 * @property {{id?: string, name: string, section: string}[]} seats
 * @property {Prices | null} [prices] null or absent where this browser does not know them
 */

/** @param {Translator} i18n @param {Ticket} booking @returns {HTMLElement} the QR code is added a moment later */
export function ticket(i18n, { code, qr, title, theatre, city, starts_at, seats, prices }) {
  const scan = h("div", { class: "ticket-scan" });
  qrCode(qr ?? code, i18n.t("scanCode")).then((svg) => {
    if (svg) scan.replaceChildren(svg);
  });
  return h(
    "article",
    { class: "ticket" },
    h("p", { class: "ticket-title" }, title),
    h("p", { class: "ticket-where" }, [theatre, city].filter(Boolean).join(", ")),
    h(
      "p",
      { class: "ticket-when" },
      starts_at ? i18n.t("when", { day: i18n.day(starts_at), time: i18n.time(starts_at) }) : "",
    ),
    h(
      "ul",
      { class: "ticket-seats" },
      ...seats.map(({ name, section }) => h("li", {}, h("b", {}, name), h("span", {}, section))),
    ),
    prices ? priceLines(i18n, prices) : null,
    h(
      "div",
      { class: "ticket-stub" },
      h(
        "div",
        { class: "ticket-code" },
        h("span", { class: "note" }, i18n.t("ticketCode")),
        h("code", {}, ...breakable(code)),
      ),
      scan,
    ),
  );
}

// A line may break between the parts of a code, but not within the last part, which people compare.
/** @param {string} code */
function breakable(code) {
  const dot = code.lastIndexOf(".") + 1;
  return [code.slice(0, dot), h("wbr"), h("span", { class: "code-own" }, code.slice(dot))];
}
