/**
 * Shows as cards, by day and city.
 *
 * @import { Show } from "../seat-map/types.js"
 * @import { Translator } from "../i18n/i18n.js"
 */
import { h } from "../app/dom.js";
import { allInPrices } from "../seat-map/all-in-prices.js";
import { levelOf, stateText } from "./availability.js";

const DAY_MS = 24 * 3600 * 1000;

/** A section for each day. @param {Translator} i18n @param {Show[]} shows in the order of their starts @param {number} now ms */
export function daySections(i18n, shows, now) {
  const days = Map.groupBy(shows, (show) => i18n.dayKey(show.starts_at));
  return [...days.values()].map((ofDay) => {
    const cities = Map.groupBy(ofDay, (show) => show.city);
    const sections = [...cities]
      .sort(([a], [b]) => i18n.name(a).localeCompare(i18n.name(b), i18n.code))
      .map(([name, ofCity]) => citySection(i18n, name, ofCity, now));
    return h("section", { class: "day" }, h("h2", {}, ...dayTitle(i18n, ofDay[0].starts_at, now)), ...sections);
  });
}

/** @param {Translator} i18n @param {string} name @param {Show[]} shows @param {number} now */
function citySection(i18n, name, shows, now) {
  const films = Map.groupBy(shows, (show) => `${show.title}\n${show.theatre}`);
  return h(
    "section",
    { class: "city" },
    h("h3", {}, i18n.name(name)),
    h("ul", { class: "cards" }, ...[...films.values()].map((times) => card(i18n, times, now))),
  );
}

/** One card per title and theatre, with all its times. @param {Translator} i18n @param {Show[]} shows @param {number} now */
function card(i18n, shows, now) {
  const [first] = shows;
  const least = Math.min(...shows.flatMap((show) => Object.values(allInPrices(show))));
  const times = shows.map((show) => {
    const said = stateText(i18n, show, now);
    const still = said ? h("span", { class: "state" }, said) : null;
    // The accessible name contains the visible text, in the same order.
    const label = `${i18n.name(show.title)}, ${i18n.time(show.starts_at)}${still ? ` ${still.textContent}` : ""}`;
    return h(
      "li",
      {},
      h(
        "a",
        {
          class: "time",
          href: `/shows/${encodeURIComponent(show.id)}`,
          "data-key": `show-${show.id}`,
          "data-status": show.status,
          "data-level": show.status === "live" ? levelOf(show) : null,
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
    h("h4", {}, i18n.name(first.title)),
    h("p", { class: "theatre" }, i18n.name(first.theatre_name)),
    h("ul", { class: "times" }, ...times),
    Number.isFinite(least) ? h("p", { class: "price" }, i18n.t("from", { price: i18n.rupees(least) })) : null,
  );
}

/** @param {Translator} i18n @param {string} when @param {number} now @returns {(string | Node)[]} */
function dayTitle(i18n, when, now) {
  const near = nearDay(i18n, i18n.dayKey(when), now);
  return near ? [near, h("span", {}, i18n.day(when))] : [i18n.day(when)];
}

/** "Today" or "Tomorrow"; "" for other days. @param {Translator} i18n @param {string} key of a day @param {number} now */
export function nearDay(i18n, key, now) {
  if (key === i18n.dayKey(now)) return i18n.t("today");
  return key === i18n.dayKey(now + DAY_MS) ? i18n.t("tomorrow") : "";
}
