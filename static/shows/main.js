/**
 * The list of shows by day and city, with search and filter. The chosen city is kept in the address.
 *
 * @import { Show } from "../seat-map/types.js"
 * @import { Translator } from "../i18n/i18n.js"
 */
import { h, icon } from "../app/dom.js";
import { setUpPage } from "../app/page.js";
import { ServerClock } from "../booking/clock.js";
import { LiveHolds } from "../booking/live-holds.js";
import { refundList } from "../booking/refund-notes.js";
import { refreshPayments } from "../booking/refunds.js";
import { ticketList } from "../booking/tickets.js";
import { allInPrices } from "../seat-map/all-in-prices.js";
import { isOver, statusText } from "../seat-map/sales.js";

/** @param {string} selector @returns {HTMLElement} */
const find = (selector) => /** @type {HTMLElement} */ (document.querySelector(selector));
const list = find("#shows");
const filters = find("#filters");
const DAY_MS = 24 * 3600 * 1000;
const FRESH_MS = 60000;
const TIMEOUT_MS = 10000;

/** @type {Show[] | null} */
let shows = null;
let failed = false;
/** Whether the list could not be updated. */
let old = false;
const clock = new ServerClock();
const holds = new LiveHolds(find("#holds"));
let loadedAt = 0;
let city = new URLSearchParams(location.search).get("city") ?? "";
let words = "";
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
    shows = answer.shows
      .filter((show) => !isOver(show, now))
      .sort((a, b) => Date.parse(a.starts_at) - Date.parse(b.starts_at));
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
  if (!i18n) return;
  list.setAttribute("aria-busy", String(!shows && !failed));
  drawFilters();
  drawOwn();
  if (failed) list.replaceChildren(message("alert", "loadFailed", "loadFailedHint", "tryAgain", load));
  else if (!shows) list.replaceChildren(...skeleton());
  else if (!shows.length) list.replaceChildren(message("ticket", "noShows", "noShowsHint"));
  else drawShows(shows.filter(matches));
}

function drawOwn() {
  const notice = old
    ? h(
        "p",
        { class: "error", role: "status" },
        icon("alert"),
        h("span", {}, i18n.t("listOld", { time: i18n.time(loadedAt) })),
      )
    : null;
  const mine = ticketList(i18n, { now: clock.now() });
  const refunds = refundList(i18n);
  find("#own").replaceChildren(...[notice, mine, refunds].filter((node) => node !== null));
}

/** @param {Show} show */
function matches(show) {
  if (city && show.city !== city) return false;
  const text = `${show.title} ${show.theatre_name} ${show.city}`.toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** @param {Show[]} found */
function drawShows(found) {
  find("#found").textContent = i18n.t("showCount", { n: found.length });
  if (!found.length) {
    list.replaceChildren(message("search", "noMatch", "noMatchHint", "clearFilter", clear));
    return;
  }
  const days = Map.groupBy(found, (show) => i18n.dayKey(show.starts_at));
  list.replaceChildren(
    ...[...days.values()].map((ofDay) => {
      const cities = Map.groupBy(ofDay, (show) => show.city);
      const sections = [...cities]
        .sort(([a], [b]) => a.localeCompare(b))
        .map(([name, ofCity]) => citySection(name, ofCity));
      return h("section", { class: "day" }, h("h2", {}, ...dayTitle(ofDay[0].starts_at)), ...sections);
    }),
  );
}

/** @param {string} name @param {Show[]} shows */
function citySection(name, shows) {
  const films = Map.groupBy(shows, (show) => `${show.title}\n${show.theatre}`);
  return h(
    "section",
    { class: "city" },
    h("h3", {}, name),
    h("ul", { class: "cards" }, ...[...films.values()].map(card)),
  );
}

/** One card per title and theatre, with all its times. @param {Show[]} shows */
function card(shows) {
  const [first] = shows;
  const least = Math.min(...shows.flatMap((show) => Object.values(allInPrices(show))));
  const times = shows.map((show) => {
    const still = show.status === "live" ? null : h("span", { class: "state" }, statusText(i18n, show));
    // The accessible name contains the visible text, in the same order.
    const label = `${show.title}, ${i18n.time(show.starts_at)}${still ? ` ${still.textContent}` : ""}`;
    return h(
      "li",
      {},
      h(
        "a",
        {
          class: "time",
          href: `/shows/${encodeURIComponent(show.id)}`,
          "data-status": show.status,
          "aria-label": label,
        },
        i18n.time(show.starts_at),
        still && " ",
        still,
      ),
    );
  });
  return h(
    "li",
    { class: "card" },
    h("h4", {}, first.title),
    h("p", { class: "theatre" }, first.theatre_name),
    h("ul", { class: "times" }, ...times),
    Number.isFinite(least) ? h("p", { class: "price" }, i18n.t("from", { price: i18n.rupees(least) })) : null,
  );
}

/** @param {string} when @returns {(string | Node)[]} */
function dayTitle(when) {
  const key = i18n.dayKey(when);
  const near = key === i18n.dayKey(clock.now()) ? "today" : key === i18n.dayKey(clock.now() + DAY_MS) ? "tomorrow" : "";
  return near ? [i18n.t(near), h("span", {}, i18n.day(when))] : [i18n.day(when)];
}

function drawFilters() {
  const names = [...new Set((shows ?? []).map((show) => show.city))].sort((a, b) => a.localeCompare(b));
  const chip = (/** @type {string} */ name) =>
    h(
      "button",
      {
        class: "chip",
        type: "button",
        "aria-pressed": String(city === name),
        onclick: () => chooseCity(name),
        "data-city": name,
      },
      name || i18n.t("allCities"),
    );
  const input = /** @type {HTMLInputElement | null} */ (filters.querySelector("input"));
  if (input && input.placeholder === i18n.t("search")) {
    filters.querySelector(".cities")?.replaceChildren(...["", ...names].map(chip));
    return;
  }
  const search = h("input", {
    type: "search",
    placeholder: i18n.t("search"),
    "aria-label": i18n.t("search"),
    value: words,
  });
  search.addEventListener("input", () => {
    words = search.value.trim();
    draw();
  });
  filters.replaceChildren(
    h("label", { class: "search" }, icon("search"), search),
    h("div", { class: "cities", role: "group", "aria-label": i18n.t("cityFilter") }, ...["", ...names].map(chip)),
  );
}

/** @param {string} name */
function chooseCity(name) {
  city = name;
  history.replaceState(null, "", name ? `?city=${encodeURIComponent(name)}` : location.pathname);
  draw();
  /** @type {HTMLElement | null} */ (filters.querySelector(`[data-city="${CSS.escape(name)}"]`))?.focus();
}

function clear() {
  words = "";
  const input = filters.querySelector("input");
  if (input) input.value = "";
  chooseCity("");
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
  document.title = `${i18n.t("showsTitle")} · ${i18n.t("brand")}`;
  draw();
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && clock.now() - loadedAt > FRESH_MS) load();
});
addEventListener("online", load);
load();
holds.refresh();
refreshPayments(location.origin).then(draw);
