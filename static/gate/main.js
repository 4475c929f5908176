/**
 * The page of a gate: sign-in, the theatre, then scanning or typing. Each ticket admits once, whatever the gate: the
 * answer is in the ledger before it is shown here. Without a network nobody is admitted by this page.
 *
 * @import { Translator } from "../i18n/i18n.js"
 */
import { errorLine, h, icon } from "../app/dom.js";
import { recall, remember, setUpPage } from "../app/page.js";
import { ApiError, ask, key } from "../ops/api.js";
import { Scanner } from "./scanner.js";

const THEATRE = "tickingtickets.gate.theatre";
const GATE = "tickingtickets.gate.name";
const TIMEOUT_MS = 20000;
/** The same code in front of the camera is not asked about again for this long. */
const SAME_MS = 4000;

/** @typedef {{look: "good" | "bad" | "unsure", title: string, lines: string[]}} Verdict */

const screen = /** @type {HTMLElement} */ (document.querySelector("#screen"));
const video = h("video", { playsinline: true, muted: true, class: "gate-video" });
const scanner = new Scanner(video, (text) => seen(text));
/** @type {Translator} */
let i18n;
/** @type {{id: string, name: string, city: string}[]} */
let theatres = [];
let theatre = recall(THEATRE) ?? "";
let gate = recall(GATE) ?? "";
let problem = "";
let busy = false;
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
  // One request id for all attempts: an answer that was lost is the same answer the next time.
  const request = crypto.getRandomValues(new Uint32Array(4)).join("-");
  try {
    const answer = await admit(ticket, request);
    verdict = () => admitted(answer);
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

/** @param {string} ticket @param {string} request @returns {Promise<any>} */
async function admit(ticket, request) {
  const headers = { "Idempotency-Key": request };
  const send = () => ask("/gate/admit", { ticket, theatre, gate }, { timeoutMs: TIMEOUT_MS, headers });
  return send().catch((error) => {
    if (error.code !== "offline") throw error;
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
  if (!key.get()) screen.replaceChildren(signIn());
  else if (!theatre) screen.replaceChildren(choice());
  else {
    screen.replaceChildren(gateView());
    drawVerdict();
  }
}

function signIn() {
  const enter = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    key.set(String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("key")).trim());
    problem = "";
    open();
  };
  const wrong = problem && errorLine(i18n.t(problem), { role: "alert" });
  return h(
    "form",
    { class: "sign-in", onsubmit: enter },
    icon("lock"),
    h("h1", {}, i18n.t("gateTitle")),
    h("label", { for: "key" }, i18n.t("opsKey")),
    h("input", { name: "key", id: "key", type: "password", required: true, autocomplete: "current-password" }),
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
  const name = theatres.find(({ id }) => id === theatre)?.name ?? theatre;
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
  problem = why;
  draw();
}

async function open() {
  try {
    const answer = await fetch("/api/v1/theatres", { signal: AbortSignal.timeout(TIMEOUT_MS) });
    theatres = (await answer.json()).theatres;
  } catch {
    problem = "err_offline";
  }
  draw();
}

await setUpPage(/** @type {HTMLElement} */ (document.querySelector("#switches")), (words) => {
  i18n = words;
  draw();
});
if (key.get()) open();
