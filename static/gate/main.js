/**
 * The page of a gate: sign-in, the theatre, then scanning or typing. Each ticket admits once, whatever the gate: the
 * answer is in the ledger before it is shown here (decision.js).
 *
 * @import { Translator } from "../i18n/i18n.js"
 */
import { errorLine, h, icon } from "../app/dom.js";
import { keepOffline } from "../app/offline.js";
import { recall, remember, setUpPage } from "../app/page.js";
import { ask, isKeyRefused, key } from "../ops/api.js";
import { CheckQueue } from "./check-queue.js";
import { decide } from "./decision.js";
import { OfflineGate } from "./offline-gate.js";
import { Readiness } from "./readiness.js";
import { Scanner } from "./scanner.js";
import { nameOf } from "./ticket-text.js";
import { admitted, checking, refused, verdictParts } from "./verdict.js";

const THEATRE = "tickingtickets.gate.theatre";
const THEATRE_NAME = "tickingtickets.gate.theatre-name";
const GATE = "tickingtickets.gate.name";
const TIMEOUT_MS = 20000;
const SYNC_MS = 15000;
/** Roles of staff that may admit. */
const ROLES = ["operator", "gate"];
/** The same code in front of the camera is not asked about again for this long. */
const SAME_MS = 4000;

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
const queue = new CheckQueue(check, drawWaiting);
/** The ticket that was not taken because too many wait; "" for none. */
let notTaken = "";
const offline = new OfflineGate(() => i18n && readiness.draw(i18n));
const readiness = new Readiness(offline, () => ({ theatre, gate }), sync);
let last = { text: "", at: 0 };
/** What becomes or became of the last ticket, in the language of the moment. @type {(() => import("./verdict.js").Verdict) | null} */
let verdict = null;
/** Its name. */
let verdictOf = "";

/** @param {string} text */
function seen(text) {
  const now = performance.now();
  const isSame = text === last.text && now - last.at < SAME_MS;
  last = { text, at: now };
  if (!isSame) take(text);
}

/** @param {string} ticket to be checked after those that wait */
function take(ticket) {
  const text = ticket.trim().toUpperCase();
  const name = nameOf(text);
  notTaken = queue.add(text, name) ? "" : name;
  drawWaiting();
}

function forgetWaiting() {
  notTaken = "";
  queue.clear();
}

/** @param {string} ticket @param {string} name */
async function check(ticket, name) {
  verdictOf = name;
  show(() => checking(i18n, name));
  try {
    const admission = await decide(ticket, offline, { theatre, gate });
    show(() => admitted(i18n, admission));
    navigator.vibrate?.(80);
  } catch (error) {
    show(() => refused(i18n, error));
    if (isKeyRefused(error)) return leave("opsWrongKey");
    navigator.vibrate?.([80, 60, 80]);
  }
}

/** @param {() => import("./verdict.js").Verdict} next */
function show(next) {
  verdict = next;
  drawVerdict();
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
    drawWaiting();
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
  for (const { id, name, city } of theatres)
    select.append(h("option", { value: id }, `${i18n.name(name)}, ${i18n.name(city)}`));
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
    if (typed) take(typed);
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
      h("h1", {}, [i18n.name(name), gate].filter(Boolean).join(" · ")),
      h("button", { class: "button", type: "button", onclick: elsewhere }, i18n.t("gateElsewhere")),
    ),
    h("div", { class: "gate-verdict", id: "verdict", role: "status" }),
    h("p", { class: "gate-waiting", id: "waiting", role: "status" }),
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
  const look = shown?.look ?? "";
  place.setAttribute("data-look", look);
  // A result is said at once; that a ticket is being checked may wait for the end of a sentence.
  place.setAttribute("aria-live", look === "checking" ? "polite" : "assertive");
  place.replaceChildren(...verdictParts(shown, verdictOf, i18n));
}

function drawWaiting() {
  const place = screen.querySelector("#waiting");
  if (!place) return;
  const { waiting } = queue;
  const waits = waiting.length && i18n.t("gateWaiting", { n: waiting.length, codes: i18n.list(waiting) });
  const lines = [waits, notTaken && i18n.t("gateNotTaken", { code: notTaken })];
  place.textContent = lines.filter(Boolean).join(" ");
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
  forgetWaiting();
  theatre = "";
  verdict = null;
  draw();
}

/** @param {string} why */
function leave(why) {
  scanner.stop();
  forgetWaiting();
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
    if (isKeyRefused(error)) return leave("opsWrongKey");
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
    readiness.isTroubled = false;
  } catch (error) {
    if (isKeyRefused(error)) return leave("opsWrongKey");
    readiness.isTroubled = true;
  }
  readiness.draw(i18n);
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
