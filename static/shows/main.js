/**
 * The list of shows by day and city, with search and filter. The chosen city is kept in the address.
 *
 * @import { Show } from "../seat-map/types.js"
 * @import { Translator } from "../i18n/i18n.js"
 */
import { errorLine, h, icon } from "../app/dom.js";
import { recall, remember, setUpPage } from "../app/page.js";
import { keepFocus } from "../app/redraw.js";
import { ServerClock } from "../booking/clock.js";
import { LiveHolds } from "../booking/live-holds.js";
import { refundList } from "../booking/refund-notes.js";
import { refreshPayments } from "../booking/refunds.js";
import { ticketList } from "../booking/tickets.js";
import { languages, loadLanguage, translator } from "../i18n/i18n.js";
import { isOver } from "../seat-map/sales.js";
import { keptOffset } from "../tickets/kept.js";
import { followAvailability, stateText } from "./availability.js";
import { daySections, nearDay } from "./cards.js";
import { found, wordsOf } from "./search.js";

/** @param {string} selector @returns {HTMLElement} */
const find = (selector) => /** @type {HTMLElement} */ (document.querySelector(selector));
const list = find("#shows");
const filters = find("#filters");
const FRESH_MS = 60000;
const TIMEOUT_MS = 10000;
const CITY = "tickingtickets.city";
/** With more shows than this, of the chosen city and kind, only those of the first day are listed at first. */
const MANY = 60;
/** What people are admitted to, by the kind that they look for. @type {Record<string, string>} */
const KINDS = { cinema: "film", sport_league: "sport", recognised_sport: "sport", other: "stage" };

/** @type {Show[] | null} */
let shows = null;
/** The ids of the shows that the node has listed. @type {Set<string>} */
let known = new Set();
let failed = false;
/** Whether the list could not be updated. */
let old = false;
const clock = new ServerClock(keptOffset());
const holds = new LiveHolds(find("#holds"));
let loadedAt = 0;
let drawnAt = 0;
let city = new URLSearchParams(location.search).get("city") ?? recall(CITY) ?? "";
let kind = "";
/** The chosen day as `dayKey` writes it; "" for all, null for what suits the number of shows. @type {string | null} */
let day = null;
let words = "";
/** The words of each show, for the search. @type {Map<string, string[]>} */
const index = new Map();
/** @type {Translator} */
let i18n;

async function load() {
  try {
    const asked = performance.now();
    const response = await fetch("/api/v1/shows", { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    const answer = /** @type {{shows: Show[], server_time?: number}} */ (await response.json());
    if (answer.server_time) clock.set(answer.server_time, asked);
    const now = clock.now();
    known = new Set(answer.shows.map(({ id }) => id));
    shows = answer.shows
      .filter((show) => !isOver(show, now))
      .sort((a, b) => Date.parse(a.starts_at) - Date.parse(b.starts_at));
    index.clear();
    // A city that is remembered may have no shows any more.
    if (city && !shows.some((show) => show.city === city)) city = "";
    failed = old = false;
    loadedAt = now;
  } catch {
    // An old list is better than none.
    failed = shows === null;
    old = !failed;
  }
  draw();
}

function draw() {
  if (i18n) keepFocus(drawAll);
}

function drawAll() {
  drawnAt = clock.now();
  list.setAttribute("aria-busy", String(!shows && !failed));
  drawFilters();
  drawOwn();
  if (failed) list.replaceChildren(message("alert", "loadFailed", "loadFailedHint", "tryAgain", load));
  else if (!shows) list.replaceChildren(...skeleton());
  else if (!shows.length) list.replaceChildren(message("ticket", "noShows", "noShowsHint"));
  else drawShows(listed(shows));
}

/** @param {Show} show */
function kindOf(show) {
  return KINDS[show.admission ?? ""] ?? "stage";
}

/** The day that is listed, "" for all. */
function shownDay() {
  if (day !== null) return day;
  const suited = (shows ?? []).filter(suits);
  return suited.length > MANY && !words ? i18n.dayKey(suited[0].starts_at) : "";
}

/** Whether a show is of the chosen city and kind. @param {Show} show */
function suits(show) {
  return (!city || show.city === city) && (!kind || kindOf(show) === kind);
}

function drawOwn() {
  const notice = old ? errorLine(i18n.t("listOld", { time: i18n.time(loadedAt) }), { role: "status" }) : null;
  const mine = ticketList(i18n, { now: clock.now() });
  const refunds = refundList(i18n);
  find("#own").replaceChildren(...[notice, mine, refunds].filter((node) => node !== null));
}

/** The shows that suit the filters and the search. @param {Show[]} all */
function listed(all) {
  const only = shownDay();
  const suited = all.filter((show) => suits(show) && (!only || i18n.dayKey(show.starts_at) === only));
  const asked = wordsOf(words);
  if (!asked.length) return suited;
  const exact = suited.filter((show) => found(asked, indexed(show), true));
  return exact.length ? exact : suited.filter((show) => found(asked, indexed(show)));
}

/** The words of a show in all languages, for the search: its names, kind and day. @param {Show} show */
function indexed(show) {
  let text = index.get(show.id);
  if (!text) {
    const { title, theatre_name, city, starts_at } = show;
    const names = [title, theatre_name, city];
    const found = languages.flatMap(({ code }) => {
      const words = translator(code);
      const near = nearDay(words, words.dayKey(starts_at), clock.now());
      return [...names.map(words.name), words.t(`kindWords_${kindOf(show)}`), words.day(starts_at), near];
    });
    text = wordsOf(found.join(" "));
    index.set(show.id, text);
  }
  return text;
}

/** People type titles and cities in the script that they prefer: the names of all languages are needed. */
async function loadWords() {
  await Promise.all(languages.map(({ code }) => loadLanguage(code)));
  index.clear();
  draw();
}

/** @param {Show[]} some */
function drawShows(some) {
  find("#found").textContent = i18n.t("showCount", { n: some.length });
  list.classList.toggle("dense", some.length > MANY);
  if (!some.length) {
    list.replaceChildren(message("search", "noMatch", "noMatchHint", "clearFilter", clear));
    return;
  }
  list.replaceChildren(...daySections(i18n, some, clock.now()));
}

function drawFilters() {
  const all = shows ?? [];
  const cities = [...new Set(all.map((show) => show.city))].sort((a, b) =>
    i18n.name(a).localeCompare(i18n.name(b), i18n.code),
  );
  const kinds = [...new Set(all.map(kindOf))].sort();
  const days = [...new Set(all.map((show) => i18n.dayKey(show.starts_at)))];
  const only = shownDay();
  const groups = [
    chips(
      "days",
      "dayFilter",
      ["", ...days],
      only,
      (key) => (key ? nearDay(i18n, key, clock.now()) || i18n.shortDay(`${key}T12:00:00+05:30`) : i18n.t("allDays")),
      (key) => {
        day = key;
      },
    ),
    chips(
      "kinds",
      "kindFilter",
      ["", ...kinds],
      kind,
      (key) => i18n.t(key ? `kind_${key}` : "allKinds"),
      (key) => {
        kind = key;
      },
    ),
    chips(
      "cities",
      "cityFilter",
      ["", ...cities],
      city,
      (name) => (name ? i18n.name(name) : i18n.t("allCities")),
      rememberCity,
    ),
  ];
  const input = /** @type {HTMLInputElement | null} */ (filters.querySelector("input"));
  if (input && input.placeholder === i18n.t("search")) {
    for (const group of groups) filters.querySelector(`.${group.classList[0]}`)?.replaceWith(group);
    return;
  }
  const search = h("input", {
    type: "search",
    placeholder: i18n.t("search"),
    "aria-label": i18n.t("search"),
    value: words,
  });
  search.addEventListener("focus", loadWords, { once: true });
  search.addEventListener("input", () => {
    words = search.value.trim();
    draw();
  });
  filters.replaceChildren(h("label", { class: "search" }, icon("search"), search), ...groups);
}

/**
 * A line of switches of which one is on.
 * @param {string} look
 * @param {string} label name of a phrase
 * @param {string[]} keys "" for all
 * @param {string} chosen
 * @param {(key: string) => string} name
 * @param {(key: string) => void} choose
 */
function chips(look, label, keys, chosen, name, choose) {
  const chip = (/** @type {string} */ key) =>
    h(
      "button",
      {
        class: "chip",
        type: "button",
        "aria-pressed": String(chosen === key),
        "data-key": `${look}-${key}`,
        [`data-${look}`]: key,
        onclick: () => {
          choose(key);
          draw();
        },
      },
      name(key),
    );
  // A city stays in sight although it is the only one: it may be remembered from an earlier visit.
  const hidden = keys.length < (look === "cities" ? 2 : 3);
  return h("div", { class: `${look} chips`, role: "group", "aria-label": i18n.t(label), hidden }, ...keys.map(chip));
}

/** @param {string} name */
function rememberCity(name) {
  city = name;
  remember(CITY, name || null);
  history.replaceState(null, "", name ? `?city=${encodeURIComponent(name)}` : location.pathname);
}

function clear() {
  words = "";
  const input = filters.querySelector("input");
  if (input) input.value = "";
  kind = "";
  day = "";
  rememberCity("");
  draw();
  input?.focus();
}

/** @param {string} sign @param {string} title @param {string} hint @param {string} [action] @param {() => void} [act] */
function message(sign, title, hint, action, act) {
  const button =
    action && act ? h("button", { class: "button primary", type: "button", onclick: act }, i18n.t(action)) : null;
  return h("div", { class: "message" }, icon(sign), h("h2", {}, i18n.t(title)), h("p", {}, i18n.t(hint)), button);
}

function skeleton() {
  return [
    h("p", { class: "hidden" }, i18n.t("loading")),
    h(
      "ul",
      { class: "cards waiting", "aria-hidden": "true" },
      ...Array.from({ length: 6 }, () => h("li", { class: "card" })),
    ),
  ];
}

setUpPage(find("#switches"), (words) => {
  i18n = words;
  holds.localize(words);
  index.clear();
  document.title = `${i18n.t("showsTitle")} · ${i18n.t("brand")}`;
  draw();
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && clock.now() - loadedAt > FRESH_MS) load();
});
addEventListener("online", load);
followAvailability(({ free, status }) => {
  if (!shows) return;
  const now = clock.now();
  const before = shows.length;
  const removed = shows.some((show) => show.free !== undefined && !(show.id in free));
  if (removed || Object.keys(free).some((id) => !known.has(id))) load();
  shows = shows.filter((show) => !isOver(show, now));
  let changed = shows.length !== before;
  for (const show of shows) {
    const said = stateText(i18n, show, drawnAt);
    show.free = free[show.id] ?? show.free;
    if (status) show.status = status[show.id] ?? "live";
    changed ||= stateText(i18n, show, now) !== said;
  }
  if (changed) draw();
});
load();
holds.refresh();
refreshPayments(location.origin).then(draw);
