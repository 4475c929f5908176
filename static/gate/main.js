/**
 * The page of a gate: sign-in, the theatre, then scanning or typing. Each ticket admits once, whatever the gate: the
 * answer is in the ledger before it is shown here. Without an answer this page admits only with tickets that this device
 * has leased (offline-gate.js).
 *
 * @import { Translator } from "../i18n/i18n.js"
 */
import { errorLine, h, icon } from "../app/dom.js";
import { keepOffline } from "../app/offline.js";
import { recall, remember, setUpPage } from "../app/page.js";
import { ApiError, ask, key } from "../ops/api.js";
import { OfflineGate } from "./offline-gate.js";
import { Readiness } from "./readiness.js";
import { Scanner } from "./scanner.js";
import { readTicket } from "./ticket-text.js";

const THEATRE = "tickingtickets.gate.theatre";
const THEATRE_NAME = "tickingtickets.gate.theatre-name";
const GATE = "tickingtickets.gate.name";
const TIMEOUT_MS = 20000;
/** How long the server is asked about a ticket with which this device may admit by itself. */
const LEASED_TIMEOUT_MS = 4000;
const SYNC_MS = 15000;
/** Roles of staff that may admit. */
const ROLES = ["operator", "gate"];
/** The same code in front of the camera is not asked about again for this long. */
const SAME_MS = 4000;

/** @typedef {{look: "good" | "bad" | "unsure", title: string, lines: string[]}} Verdict */

const screen = /** @type {HTMLElement} */ (document.querySelector("#screen"));
const video = h("video", { playsinline: true, muted: true, class: "gate-video" });
const scanner = new Scanner(video, (text) => seen(text));
/** @type {Translator} */
let i18n;
/** @typedef {{id: string, name: string, city: string}} Theatre */
/** @type {Theatre[]} */
let theatres = [];
let theatre = recall(THEATRE) ?? "";
let gate = recall(GATE) ?? "";
let problem = "";
/** Whether the server has refused the key: nobody is admitted until somebody signs in. */
let refusedKey = false;
let busy = false;
const offline = new OfflineGate(() => i18n && readiness.draw(i18n));
const readiness = new Readiness(offline, () => ({ theatre, gate }), sync);
let last = { text: "", at: 0 };
/** What became of the last ticket, in the language of the moment. @type {(() => Verdict) | null} */
let verdict = null;

/** @param {string} text */
function seen(text) {
  const now = performance.now();
  if (busy || (text === last.text && now - last.at < SAME_MS)) {
    if (text === last.text) last.at = now;
    return;
  }
  last = { text, at: now };
  check(text);
}

/** @param {string} ticket */
async function check(ticket) {
  busy = true;
  try {
    verdict = await decide(ticket);
  } catch (error) {
    verdict = () => refused(error);
    if (error instanceof ApiError && error.status === 403) {
      leave("opsWrongKey");
      return;
    }
  } finally {
    busy = false;
  }
  navigator.vibrate?.(verdict().look === "good" ? 80 : [80, 60, 80]);
  drawVerdict();
}

/**
 * Ask the server. Where it does not answer, this device decides about tickets that it has leased.
 * @param {string} ticket @returns {Promise<() => Verdict>} @throws {ApiError} what the server has answered
 */
async function decide(ticket) {
  const read = readTicket(ticket);
  const { before, seats } = read ? await offline.look(read.code) : { before: null, seats: null };
  if (before) return () => refused(alreadyHere(before));
  try {
    const answer = await admit(ticket, seats ? LEASED_TIMEOUT_MS : TIMEOUT_MS);
    await offline.remember(answer.booking.code);
    return () => admitted(answer);
  } catch (error) {
    const { lease } = offline;
    if (!(error instanceof ApiError && hasNoAnswer(error) && lease && offline.leftMs)) throw error;
    if (!read) throw new ApiError(0, { code: "ticket_unreadable" });
    if (read.show && read.show !== lease.show.id) throw new ApiError(0, { code: "wrong_show" });
    const found = await offline.admit(read.code);
    if (found.before) throw alreadyHere(found.before);
    if (!found.seats) throw new ApiError(0, { code: "not_leased" });
    const booking = { ...lease.show, seats: found.seats.map((id) => ({ id })) };
    return () => admitted({ booking });
  }
}

/** @param {ApiError} error whether the server did not decide */
function hasNoAnswer({ code, status }) {
  return code === "offline" || status >= 500;
}

/** @param {import("./offline-gate.js").Admitted} before */
function alreadyHere({ at, gate: where }) {
  return new ApiError(0, { code: "already_admitted", admitted_at: at, gate: where });
}

/** @param {string} ticket @param {number} timeoutMs @returns {Promise<any>} */
async function admit(ticket, timeoutMs) {
  // One request id for both attempts: an answer that was lost is the same answer the next time.
  const headers = { "Idempotency-Key": crypto.getRandomValues(new Uint32Array(4)).join("-") };
  const lease = offline.lease?.state === "held" ? offline.lease.id : undefined;
  const send = () => ask("/gate/admit", { ticket, theatre, gate, lease }, { timeoutMs, headers });
  return send().catch((error) => {
    if (error.code !== "offline" || timeoutMs < TIMEOUT_MS) throw error;
    return send();
  });
}

/** @param {{booking: {title: string, starts_at: string, seats: {id: string}[]}}} answer @returns {Verdict} */
function admitted({ booking }) {
  const seats = i18n.list(booking.seats.map(({ id }) => id));
  return {
    look: "good",
    title: i18n.t("gateAdmit", { n: booking.seats.length }),
    lines: [seats, `${booking.title}, ${i18n.time(booking.starts_at)}`],
  };
}

/** @param {unknown} error @returns {Verdict} */
function refused(error) {
  const { code, details } = error instanceof ApiError ? error : new ApiError(0);
  if (code === "already_admitted") {
    const lines = [i18n.t("gateAlreadyAt", { time: i18n.clock(details.admitted_at) }), details.gate];
    return { look: "bad", title: i18n.t("gateAlready"), lines: lines.filter(Boolean) };
  }
  if (code === "wrong_show") {
    const when = details.starts_at
      ? i18n.t("when", { day: i18n.day(details.starts_at), time: i18n.time(details.starts_at) })
      : "";
    return { look: "bad", title: i18n.t("gateWrongShow"), lines: [details.title, when].filter(Boolean) };
  }
  if (code === "ticket_leased") {
    const hint = i18n.t("gateLeasedElsewhereHint", { until: i18n.time(details.until) });
    return { look: "bad", title: i18n.t("gateLeasedElsewhere", { gate: details.gate || "–" }), lines: [hint] };
  }
  if (code === "not_leased")
    return { look: "unsure", title: i18n.t("gateNotLeased"), lines: [i18n.t("gateNotLeasedHint")] };
  const known = {
    booking_cancelled: "gateCancelled",
    booking_not_found: "gateUnknown",
    ticket_unreadable: "gateUnreadable",
  };
  if (code in known) return { look: "bad", title: i18n.t(known[/** @type {keyof typeof known} */ (code)]), lines: [] };
  return { look: "unsure", title: i18n.t("gateNoAnswer"), lines: [i18n.t("gateNoAnswerHint")] };
}

// --- drawing --------------------------------------------------------------------------------------------------------
function draw() {
  document.title = `${i18n.t("gateTitle")} · ${i18n.t("brand")}`;
  if (!key.get() && (refusedKey || !offline.leftMs)) screen.replaceChildren(signIn());
  else if (!theatre) screen.replaceChildren(choice());
  else {
    screen.replaceChildren(gateView());
    readiness.draw(i18n);
    drawVerdict();
  }
}

function signIn() {
  const enter = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    key.set(String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("key")).trim());
    problem = "";
    refusedKey = false;
    open();
  };
  const wrong = problem && errorLine(i18n.t(problem), { role: "alert" });
  return h(
    "form",
    { class: "sign-in", onsubmit: enter },
    icon("lock"),
    h("h1", {}, i18n.t("gateTitle")),
    h("label", { for: "key" }, i18n.t("gateKey")),
    h("input", {
      name: "key",
      id: "key",
      type: "password",
      required: true,
      autocomplete: "current-password",
      "aria-describedby": "key-hint",
    }),
    h("p", { class: "hint", id: "key-hint" }, i18n.t("gateKeyHint")),
    wrong,
    h("button", { class: "button primary", type: "submit" }, i18n.t("opsEnter")),
  );
}

function choice() {
  const choose = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const chosen = new FormData(/** @type {HTMLFormElement} */ (event.target));
    theatre = String(chosen.get("theatre"));
    gate = String(chosen.get("gate")).trim();
    remember(THEATRE, theatre);
    remember(THEATRE_NAME, theatres.find(({ id }) => id === theatre)?.name ?? theatre);
    remember(GATE, gate);
    draw();
  };
  const select = h("select", { name: "theatre", id: "theatre", required: true });
  for (const { id, name, city } of theatres) select.append(h("option", { value: id }, `${name}, ${city}`));
  return h(
    "form",
    { class: "sign-in", onsubmit: choose },
    icon("ticket"),
    h("h1", {}, i18n.t("gateWhere")),
    h("label", { for: "theatre" }, i18n.t("gateTheatre")),
    select,
    h("label", { for: "gate" }, i18n.t("gateName")),
    h("input", { name: "gate", id: "gate", value: gate, maxlength: 64, autocomplete: "off" }),
    h("button", { class: "button primary", type: "submit" }, i18n.t("gateOpen")),
  );
}

function gateView() {
  video.hidden = !scanner.running;
  const type = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const field = /** @type {HTMLInputElement} */ (screen.querySelector("#code"));
    const typed = field.value.trim();
    field.value = "";
    field.focus();
    if (typed && !busy) check(typed);
  };
  const camera = h(
    "button",
    { class: "button", type: "button", "data-act": "camera", onclick: turnCamera },
    icon("search"),
  );
  camera.append(i18n.t(scanner.running ? "gateCameraOff" : "gateCameraOn"));
  const name = recall(THEATRE_NAME) ?? theatre;
  return h(
    "div",
    { class: "gate" },
    h(
      "div",
      { class: "head" },
      h("h1", {}, [name, gate].filter(Boolean).join(" · ")),
      h("button", { class: "button", type: "button", onclick: elsewhere }, i18n.t("gateElsewhere")),
    ),
    h("div", { class: "gate-verdict", id: "verdict", role: "status", "aria-live": "assertive" }),
    key.get() ? null : errorLine(i18n.t("gateSignIn")),
    h("div", { class: "gate-scan" }, video, camera),
    problem && errorLine(i18n.t(problem), { role: "alert" }),
    h(
      "form",
      { class: "gate-type", onsubmit: type },
      h("label", { for: "code" }, i18n.t("gateCode")),
      h("input", {
        id: "code",
        name: "code",
        autocomplete: "off",
        autocapitalize: "characters",
        spellcheck: "false",
        maxlength: 512,
      }),
      h("button", { class: "button primary", type: "submit" }, i18n.t("gateCheck")),
    ),
    readiness.element,
  );
}

function drawVerdict() {
  const place = screen.querySelector("#verdict");
  if (!place) return;
  const shown = verdict?.();
  place.setAttribute("data-look", shown?.look ?? "");
  place.replaceChildren(
    ...(shown
      ? [
          icon(shown.look === "good" ? "check" : shown.look === "bad" ? "close" : "alert"),
          h("div", {}, h("h2", {}, shown.title), ...shown.lines.map((line) => h("p", {}, line))),
        ]
      : [h("p", { class: "hint" }, i18n.t("gateReady"))]),
  );
}

async function turnCamera() {
  problem = "";
  if (scanner.running) scanner.stop();
  else {
    try {
      await scanner.start();
    } catch {
      scanner.stop();
      problem = "gateNoCamera";
    }
  }
  draw();
  /** @type {HTMLElement | null} */ (screen.querySelector("[data-act=camera]"))?.focus();
}

function elsewhere() {
  scanner.stop();
  theatre = "";
  verdict = null;
  draw();
}

/** @param {string} why */
function leave(why) {
  scanner.stop();
  key.forget();
  refusedKey = true;
  problem = why;
  draw();
}

/** Ask who is signed in, and which theatres there are: a token may be for one theatre only. */
async function open() {
  try {
    const [me, answer] = await Promise.all([
      ask("/ops/me"),
      fetch("/api/v1/theatres", { signal: AbortSignal.timeout(TIMEOUT_MS) }),
    ]);
    if (!ROLES.includes(me.role)) return leave("gateWrongRole");
    theatres = (await answer.json()).theatres.filter(
      (/** @type {Theatre} */ { id }) => !me.theatre || id === me.theatre,
    );
    if (me.theatre && theatre !== me.theatre) theatre = "";
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) return leave("opsWrongKey");
    if (!theatre) problem = "err_offline";
  }
  draw();
  await sync();
}

/** Report, renew and return what has to be. */
async function sync() {
  if (!key.get()) return;
  try {
    await offline.sync();
  } catch {
    leave("opsWrongKey");
  }
}

await offline.open();
await setUpPage(/** @type {HTMLElement} */ (document.querySelector("#switches")), (words) => {
  i18n = words;
  draw();
});
keepOffline("/gate");
for (const event of ["online", "offline"])
  addEventListener(event, () => {
    readiness.draw(i18n);
    sync();
  });
setInterval(sync, SYNC_MS);
if (key.get()) open();
