/**
 * The page of all tickets of this browser. It shows what was kept at once, then what the server says.
 *
 * @import { Booking } from "./kept.js"
 * @import { Translator } from "../i18n/i18n.js"
 */
import { errorLine, h, icon } from "../app/dom.js";
import { keepOffline } from "../app/offline.js";
import { setUpPage } from "../app/page.js";
import { Drawn, keepFocus } from "../app/redraw.js";
import { saveFile } from "../app/save-file.js";
import { ServerClock } from "../booking/clock.js";
import { LiveHolds } from "../booking/live-holds.js";
import { prepareQr } from "../booking/qr.js";
import { dropTicket, isCurrent } from "../booking/tickets.js";
import { RequestError } from "../seat-map/request-error.js";
import { askBookings, cancelBooking, ticketPdf } from "./bookings.js";
import { keepBookings, keptBookings, keptOffset } from "./kept.js";
import { takeLink } from "./links.js";
import { bookingCard, earlierList, keyOf, mayCancel } from "./parts.js";
import { Sharing } from "./sharing.js";

/** @param {string} selector @returns {HTMLElement} */
const find = (selector) => /** @type {HTMLElement} */ (document.querySelector(selector));
const list = find("#tickets");
const holds = new LiveHolds(find("#holds"));
/** @type {Translator} */
let i18n;
/** The clock of the device may be wrong. */
const clock = new ServerClock(keptOffset());
const drawn = new Drawn();
let bookings = keptBookings();
/** Whether the server has answered since the page was opened. */
let asked = false;
/** What there is to say about the last request: a key of the texts. */
let problem = "";
/** The booking whose cancellation waits to be confirmed, or is under way. */
let cancelling = { id: "", sent: false };
/** The earlier bookings whose tickets are open. @type {Set<string>} */
const opened = new Set();
const sharing = new Sharing(renew, redraw);
/** How many new links were made here. */
let renewals = 0;

/** @returns {Promise<void>} */
async function load() {
  const before = renewals;
  const answer = await askBookings(clock);
  if (before !== renewals) return load(); // The answer may still have the earlier link.
  ({ bookings, problem } = answer);
  for (const { id, show, state } of bookings) if (state === "cancelled") dropTicket(id, show);
  asked = true;
  draw();
}

function draw() {
  if (!i18n) return;
  list.setAttribute("aria-busy", String(!asked));
  const now = clock.now();
  const isValid = (/** @type {Booking} */ booking) => booking.state === "booked" && isCurrent(booking, now);
  const current = bookings.filter(isValid).sort((a, b) => Date.parse(a.starts_at) - Date.parse(b.starts_at));
  const earlier = bookings.filter((booking) => !isValid(booking));
  const cancellable = new Set(bookings.filter((booking) => mayCancel(booking, now)).map(({ id }) => id));
  const none = asked && !current.length;
  if (drawn.has(problem, current, earlier, [...cancellable], none, cancelling, sharing.state, [...opened])) return;
  const isOpen = list.querySelector("details")?.open ?? false;
  const cardOf = (/** @type {Booking} */ booking) => card(booking, cancellable.has(booking.id));
  const how = {
    open: isOpen,
    ticketOf: (/** @type {Booking} */ booking) => (opened.has(booking.id) ? cardOf(booking) : null),
    turn,
  };
  const last = earlier.length ? [earlierList(i18n, earlier, how)] : [];
  keepFocus(() => list.replaceChildren(...(none ? [nothing()] : []), ...current.map(cardOf), ...last), list);
  find("#notice").replaceChildren(...(problem ? [errorLine(i18n.t(problem))] : []));
}

/** Open the ticket of an earlier booking, or close it. @param {string} id */
function turn(id) {
  if (!opened.delete(id)) opened.add(id);
  draw();
}

/** @param {Booking} booking @param {boolean} cancellable */
function card(booking, cancellable) {
  const { id } = booking;
  const acts = {
    savePdf: () => savePdf(booking),
    ask: () => {
      cancelling = { id, sent: false };
      redraw(id, "keep");
    },
    keep: () => {
      cancelling = { id: "", sent: false };
      redraw(id, "cancel");
    },
    cancel: () => cancel(id),
    share: () => sharing.toggle(id),
  };
  const asking = cancelling.id === id;
  const link = sharing.view(i18n, booking);
  return bookingCard(i18n, booking, acts, { asking, sent: asking && cancelling.sent, link, cancellable });
}

/** @param {string} id @param {string} control of this booking that gets the focus */
function redraw(id, control) {
  draw();
  const key = CSS.escape(keyOf(id, control));
  /** @type {HTMLElement | null} */ (list.querySelector(`[data-key="${key}"]`))?.focus();
}

/** @param {Booking} booking with its new link */
function renew(booking) {
  renewals += 1;
  bookings = bookings.map((each) => (each.id === booking.id ? booking : each));
  keepBookings(bookings);
}

/** @param {string} id */
async function cancel(id) {
  cancelling = { id, sent: true };
  draw();
  try {
    await cancelBooking(id);
    cancelling = { id: "", sent: false };
    await load();
    list.focus();
  } catch (error) {
    cancelling = { id: "", sent: false };
    problem = error instanceof RequestError ? `err_${error.code}` : "cancelFailed";
    if (!i18n.has(problem)) problem = "cancelFailed";
    redraw(id, "cancel");
  }
}

/** @param {Booking} booking */
async function savePdf(booking) {
  try {
    saveFile(await ticketPdf(booking, i18n.code), `ticket-${booking.code}.pdf`);
    problem = "";
  } catch {
    problem = "pdfFailed";
  }
  draw();
}

function nothing() {
  return h(
    "div",
    { class: "message" },
    icon("ticket"),
    h("h2", {}, i18n.t("noTickets")),
    h("p", {}, i18n.t("noTicketsHint")),
    h("a", { class: "button primary", href: "/" }, i18n.t("showsTitle")),
  );
}

setUpPage(find("#switches"), (words) => {
  i18n = words;
  holds.localize(words);
  document.title = `${i18n.t("yourTickets")} · ${i18n.t("brand")}`;
  drawn.forget();
  draw();
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") load();
});
addEventListener("online", load);
addEventListener("hashchange", () => takeLink() && load());
takeLink();
prepareQr();
keepOffline("/tickets");
holds.refresh();
load();
