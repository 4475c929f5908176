/**
 * The list of shows: by day, filtered by city, in Indian time. Shows that have begun are left out.
 *
 * @import { Show } from "../seat-map/types.js"
 */

import { clockTime, day, rupees } from "./format.js";

const REFRESH_MS = 30_000;
const days = /** @type {HTMLElement} */ (document.getElementById("days"));
const cities = /** @type {HTMLElement} */ (document.getElementById("cities"));
const served = /** @type {HTMLElement} */ (document.getElementById("served"));
let chosen = new URLSearchParams(location.search).get("city") ?? "";
/** @type {Show[]} */
let shows = [];

/**
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @param {(Node | string)[]} [children]
 */
function element(tag, attributes = {}, children = []) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const STATUS = { live: "On sale", paused: "Paused", closed: "Closed", stale: "Out of reach" };

/** @param {Show} show */
function card(show) {
  const from = Math.min(...Object.values(show.prices));
  const kind = show.status === "live" ? "pill" : "pill warn";
  return element("a", { class: "show", href: `/shows/${show.id}` }, [
    element("time", { datetime: show.starts_at }, [clockTime(show.starts_at)]),
    element("h3", {}, [show.title]),
    element("p", { class: "soft small" }, [`${show.theatre_name}, ${show.city}`]),
    element("p", { class: "foot small" }, [
      element("span", {}, [`from ${rupees(from)} · ${show.seat_count.toLocaleString("en-IN")} seats`]),
      element("span", { class: kind }, [STATUS[show.status]]),
    ]),
  ]);
}

function draw() {
  const names = [...new Set(shows.map((show) => show.city))].sort();
  cities.replaceChildren(
    ...["", ...names].map((city) => {
      const button = element("button", { type: "button", "aria-pressed": String(city === chosen) }, [city || "All cities"]);
      button.addEventListener("click", () => {
        chosen = city;
        history.replaceState(null, "", city ? `?city=${encodeURIComponent(city)}` : "/");
        draw();
      });
      return button;
    }),
  );
  /** @type {Map<string, Show[]>} */
  const byDay = new Map();
  for (const show of shows) {
    if (chosen && show.city !== chosen) continue;
    byDay.set(day(show.starts_at), [...(byDay.get(day(show.starts_at)) ?? []), show]);
  }
  if (!byDay.size) {
    days.replaceChildren(element("p", { class: "empty soft" }, ["No shows here yet. Look again later, or in another city."]));
    return;
  }
  days.replaceChildren(
    ...[...byDay].map(([name, list]) =>
      element("section", { class: "day" }, [element("h2", {}, [name]), element("div", { class: "grid" }, list.map(card))]),
    ),
  );
}

async function load() {
  try {
    const [config, directory] = await Promise.all(
      ["/api/v1/config", "/api/v1/shows"].map(async (url) => (await fetch(url)).json()),
    );
    served.textContent = `Served from ${config.region_label}. Every show of every city is one tap away.`;
    const now = Date.now();
    shows = directory.shows.filter((/** @type {Show} */ show) => Date.parse(show.starts_at) > now);
    draw();
  } catch {
    if (!shows.length) {
      const retry = element("button", { type: "button", class: "primary" }, ["Try again"]);
      retry.addEventListener("click", () => void load());
      days.replaceChildren(element("div", { class: "empty" }, [element("p", {}, ["The shows can't be loaded right now."]), retry]));
    }
  }
}

void load();
setInterval(() => void load(), REFRESH_MS);
