/**
 * The tickets bought in this browser, as a list that opens each of them.
 *
 * @import { Booking } from "../tickets/kept.js"
 * @import { Ticket } from "./ticket.js"
 * @import { Translator } from "../i18n/i18n.js"
 */
import { errorLine, h, icon } from "../app/dom.js";
import { recallList, remember } from "../app/page.js";
import { focusAgain } from "../app/redraw.js";
import { keepBooking, keptBookings } from "../tickets/kept.js";
import { IssuedTicket } from "./issued.js";
import { readRecord, writeRecord } from "./record.js";
import { printedCode, ticket } from "./ticket.js";

const KEY = "tickingtickets.tickets";
const MAX_KEPT = 30;
/** A ticket is current until this long after the start of its show. */
const OVER_MS = 8 * 3600 * 1000;

/** Whether a ticket is of use now: its show is not long over. @param {{starts_at: string}} ticket @param {number} now ms since the epoch */
export function isCurrent({ starts_at }, now) {
  return Date.parse(starts_at) > now - OVER_MS;
}

/** Newest first. @returns {Ticket[]} */
function tickets() {
  // The first releases wrote the id of the booking as `code`.
  const all = recallList(KEY).map((each) => ({ ...each, id: each?.id ?? each?.code, code: "" }));
  return all.filter(({ id, seats }) => typeof id === "string" && Array.isArray(seats));
}

/** @param {Ticket} bought */
export function keepTicket(bought) {
  const all = tickets();
  if (all.some(({ id }) => id === bought.id)) return;
  remember(KEY, JSON.stringify([bought, ...all].slice(0, MAX_KEPT)));
}

/** Forget a booking that was cancelled. @param {string} id @param {string} show */
export function dropTicket(id, show) {
  const all = tickets();
  const rest = all.filter((each) => each.id !== id);
  if (rest.length !== all.length) remember(KEY, JSON.stringify(rest));
  if (readRecord(show)?.booking === id) writeRecord(show, null);
}

/**
 * @param {Translator} i18n
 * @param {object} [which]
 * @param {string} [which.show] only tickets of this show; default: all whose show is not over
 * @param {number} [which.now] ms since the epoch, by the server's clock
 * @returns {HTMLElement | null} null if there are none
 */
export function ticketList(i18n, { show, now = Date.now() } = {}) {
  const found = tickets().filter((each) => (show ? each.show === show : isCurrent(each, now)));
  if (!found.length) return null;
  const entry = (/** @type {Ticket} */ bought) => {
    const seats = i18n.list(bought.seats.map(({ name }) => name));
    const when = i18n.moment(bought.starts_at);
    const about = show
      ? h("span", {}, h("b", {}, seats))
      : h("span", {}, h("b", {}, i18n.name(bought.title)), h("span", {}, `${when} · ${seats}`));
    return h(
      "li",
      {},
      h(
        "button",
        {
          class: "my-ticket",
          type: "button",
          "data-key": `ticket-${bought.id}`,
          "data-booking": bought.id,
          onclick: () => openTicket(i18n, bought),
        },
        icon("ticket"),
        about,
      ),
    );
  };
  return h(
    "section",
    { class: "my-tickets" },
    h(show ? "h3" : "h2", {}, i18n.t(show ? "yourTicketsHere" : "yourTickets")),
    h("ul", {}, ...found.map(entry)),
  );
}

/** @param {Translator} i18n @param {Ticket} bought */
function openTicket(i18n, bought) {
  const before = document.activeElement;
  const dialog = h("dialog", {
    class: "ticket-dialog",
    "aria-label": i18n.t("ticketOf", { title: i18n.name(bought.title) }),
  });
  const place = h("div");
  const draw = (/** @type {Booking | undefined} */ booking) =>
    place.replaceChildren(
      booking?.state === "cancelled"
        ? errorLine(i18n.t("err_booking_cancelled"))
        : ticket(i18n, booking ? { ...bought, ...printedCode(booking) } : bought),
    );
  draw(keptBookings().find(({ id }) => id === bought.id));
  const issued = new IssuedTicket((booking) => {
    keepBooking(booking);
    draw(booking);
  });
  issued.of(bought.id);
  dialog.append(
    place,
    h("p", { class: "hint" }, i18n.t("bookedHint")),
    h(
      "div",
      { class: "pair" },
      h("button", { class: "button quiet", type: "button", onclick: () => print() }, i18n.t("print")),
      h(
        "button",
        { class: "button primary", type: "button", autofocus: true, onclick: () => dialog.close() },
        i18n.t("close"),
      ),
    ),
  );
  dialog.addEventListener("close", () => {
    issued.close();
    dialog.remove();
    // The list may have been drawn again meanwhile.
    if (before instanceof HTMLElement) focusAgain(before);
  });
  document.body.append(dialog);
  dialog.showModal();
}
