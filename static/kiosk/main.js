/**
 * The kiosk of a theatre: today's shows, seats, payment, ticket, then the next person. It starts over when nobody uses
 * it, continues by itself after a network failure or a restart, and only staff can leave it.
 *
 * @import { Show } from "../seat-map/types.js"
 * @import { Translator } from "../i18n/i18n.js"
 */

import { showDemoBanner } from "../app/demo.js";
import { h, icon } from "../app/dom.js";
import { addressPart, recall, remember, theme } from "../app/page.js";
import { keepFocus } from "../app/redraw.js";
import { storeCheckoutReturn } from "../booking/checkout-return.js";
import { keepLeftover, leftovers, settleLeftovers } from "../booking/leftovers.js";
import { readRecord, writeRecord } from "../booking/record.js";
import { languages, loadLanguage, supported, translator } from "../i18n/i18n.js";
import { Booking } from "./booking.js";
import { Attendant, IdleWarning } from "./dialogs.js";
import { Idle } from "./idle.js";
import { Programme } from "./programme.js";
import { screenOf } from "./screens.js";
import { KioskToken } from "./token.js";

const CURRENT = "tickingtickets.kiosk.show";
/** Where the language is kept while the buyer pays at the gateway: the kiosk's page is loaded again afterwards. */
const LANGUAGE = "tickingtickets.kiosk.language";
const PIN_TIMEOUT_MS = 25000;
const CLOCK_MS = 5000;

const id = addressPart(1);
const bar = /** @type {HTMLElement} */ (document.getElementById("bar"));
const screen = /** @type {HTMLElement} */ (document.getElementById("screen"));
// One element for as long as the page is open: a new one could not load its picture while the kiosk is offline.
const logo = h("img", { src: "/static/icon.svg", alt: "", width: 40, height: 40 });
const programme = new Programme(id);
const homeLanguage = supported(navigator.language);
// All of them now: a kiosk changes its language while it is offline too.
await Promise.all(languages.map(({ code }) => loadLanguage(code)));
/** @type {Translator} */
let i18n = translator(recall(LANGUAGE) ?? homeLanguage);
/** @type {Booking | null} */
let booking = null;
let drawn = "";
/** Whether the show of a booking that is to be continued is being asked for. */
let resuming = false;

const token = new KioskToken((theatre) => location.assign(`/kiosk/${encodeURIComponent(theatre)}`));
const attendant = new Attendant({ check: checkPin, leave: leaveKiosk, waiting: leftovers });
const warning = new IdleWarning(() => idle.touch());
const idle = new Idle({
  watching: () => !booking?.paying && (Boolean(booking) || i18n.code !== homeLanguage || attendant.element.open),
  warn: (seconds) => {
    if (!booking) return;
    const { step } = booking.flow;
    warning.show(
      i18n,
      step === "held" || step === "away" ? "idleHeld" : step === "booked" ? "idleTicket" : "idlePlain",
      seconds,
    );
  },
  stayed: () => warning.hide(),
  gone: startOver,
});

/** The screen that is shown. */
function where() {
  if (booking) return "booking";
  return programme.state === "open" ? "shows" : programme.state;
}

// --- the next person -------------------------------------------------------------------------------------------------
/** @param {Show} show */
function choose(show) {
  booking?.end();
  if (recall(CURRENT) !== show.id) leaveUnfinished();
  remember(CURRENT, show.id);
  booking = new Booking(show, { server: programme.server, finish: startOver, changed: drawBar });
  draw();
  booking.start();
}

function startOver() {
  booking?.end();
  booking = null;
  leaveUnfinished();
  warning.hide();
  attendant.close();
  remember(LANGUAGE, null);
  i18n = translator(homeLanguage);
  settleLeftovers(programme.server);
  draw();
}

// Continue a booking that was interrupted by a restart of the kiosk, or by a visit to the gateway's page. Its
// show may have left the list meanwhile.
async function resumeBooking() {
  const current = recall(CURRENT);
  if (booking || resuming || !current) return;
  if (!readRecord(current)) return remember(CURRENT, null);
  resuming = true;
  try {
    const show = await programme.find(current);
    // The next person was faster.
    if (booking || recall(CURRENT) !== current) return;
    if (show) choose(show);
    else leaveUnfinished();
  } catch {
    // Asked again soon.
  } finally {
    resuming = false;
  }
}

/** A booking that was not continued: its seats are released, and what was paid is booked. */
function leaveUnfinished() {
  const current = recall(CURRENT);
  const record = current ? readRecord(current) : null;
  if (current && record) {
    keepLeftover(current, record);
    writeRecord(current, null);
  }
  remember(CURRENT, null);
}

// --- attendants ------------------------------------------------------------------------------------------------------
/** @param {string} pin @returns {Promise<{code: string, waitMs: number}>} */
async function checkPin(pin) {
  try {
    const answer = await fetch(`${programme.server}/api/v1/kiosk/leave`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ pin }),
      signal: AbortSignal.timeout(PIN_TIMEOUT_MS),
    });
    if (answer.ok) return { code: "", waitMs: 0 };
    const { error } = await answer.json();
    return { code: error.reason ?? error.code, waitMs: error.retry_after_ms ?? 0 };
  } catch {
    return { code: "offline", waitMs: 0 };
  }
}

async function leaveKiosk() {
  startOver();
  if (document.fullscreenElement) await document.exitFullscreen().catch(() => null);
  location.assign("/");
}

// --- drawing ---------------------------------------------------------------------------------------------------------
function draw() {
  document.documentElement.lang = i18n.code;
  document.documentElement.dataset.theme = theme();
  document.title = `${i18n.name(programme.theatre?.name ?? i18n.t("brand"))} · ${i18n.t("brand")}`;
  const now = where();
  document.body.dataset.screen = now;
  drawBar();
  showDemoBanner(i18n);
  booking?.localize(i18n, theme());
  if (booking) {
    if (screen.firstElementChild !== booking.element) screen.replaceChildren(booking.element);
  } else {
    screen.replaceChildren(...screenOf(i18n, programme, choose));
    if (now === "unknown" && !id) {
      token.draw(i18n);
      screen.append(token.element);
    }
  }
  if (drawn && drawn !== now) screen.focus({ preventScroll: true });
  if (drawn !== now) screen.scrollTo(0, 0);
  drawn = now;
}

function drawBar() {
  const step = booking?.flow.step;
  const back = booking && step !== "booked" && !booking.paying;
  const nodes = [
    back
      ? h(
          "button",
          { class: "button kiosk-back", type: "button", "data-key": "back", onclick: startOver },
          icon("back"),
          i18n.t(step === "choosing" ? "kioskBack" : "kioskCancel"),
        )
      : h("span", { class: "brand" }, logo, booking && step !== "booked" ? null : h("span", {}, i18n.t("brand"))),
    booking && step !== "booked"
      ? h(
          "div",
          { class: "what" },
          h("h1", {}, i18n.name(booking.show.title)),
          h("p", {}, i18n.moment(booking.show.starts_at)),
        )
      : h("span", { class: "kiosk-clock", id: "clock" }, programme.theatre ? i18n.time(programme.clock.now()) : ""),
    ...(step === "booked" ? [h("h1", { class: "hidden" }, i18n.name(booking?.show.title ?? ""))] : []),
    h(
      "div",
      { class: "kiosk-languages", role: "group", "aria-label": i18n.t("languageLabel") },
      ...languages.map(languageButton),
    ),
    h(
      "button",
      {
        class: "button quiet kiosk-staff",
        type: "button",
        "data-key": "staff",
        "aria-label": i18n.t("staff"),
        onclick: () => attendant.open(i18n),
      },
      icon("lock"),
    ),
  ];
  keepFocus(() => bar.replaceChildren(...nodes));
}

/** @param {{code: string, name: string}} language */
function languageButton({ code, name }) {
  const choose = () => {
    i18n = translator(code);
    remember(LANGUAGE, code);
    draw();
  };
  return h(
    "button",
    {
      class: "button",
      type: "button",
      lang: code,
      "data-key": `language-${code}`,
      "aria-pressed": String(i18n.code === code),
      onclick: choose,
    },
    name,
  );
}

// --- the device ------------------------------------------------------------------------------------------------------
// Browsers allow full screen only after a touch; a browser that runs in kiosk mode is in full screen anyway.
function fillScreen() {
  if (document.fullscreenEnabled && !document.fullscreenElement)
    document.documentElement.requestFullscreen().catch(() => null);
}

async function stayAwake() {
  if (document.visibilityState === "visible") await navigator.wakeLock?.request("screen").catch(() => null);
}

// Links that would leave the kiosk start it over.
/** @param {MouseEvent} event */
function stayInside(event) {
  const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement);
  if (!(link instanceof HTMLAnchorElement) || new URL(link.href).pathname.startsWith("/kiosk/")) return;
  event.preventDefault();
  startOver();
}

programme.addEventListener("change", () => {
  if (programme.state === "open") {
    resumeBooking();
    settleLeftovers(programme.server);
  } else booking?.checkConnection();
  draw();
});
setInterval(() => {
  const clock = document.getElementById("clock");
  if (clock && programme.theatre) clock.textContent = i18n.time(programme.clock.now());
  if (programme.state !== "open") return;
  resumeBooking();
  if (leftovers()) settleLeftovers(programme.server);
}, CLOCK_MS);
document.body.append(warning.element, attendant.element);
storeCheckoutReturn(recall(CURRENT) ?? "");
addEventListener("click", fillScreen);
addEventListener("click", stayInside, { capture: true });
addEventListener("contextmenu", (event) => event.preventDefault());
document.addEventListener("visibilitychange", stayAwake);
stayAwake();
draw();
programme.start();
