/**
 * The whole installation: India with its regions, their health and figures, plots over the last minutes, all shows.
 *
 * @import { Translator } from "../i18n/i18n.js"
 * @import { Figures, Installation, RegionRecord } from "./figures.js"
 */
import { h, icon } from "../app/dom.js";
import { ask, Refused } from "./api.js";
import { Chart } from "./chart.js";
import { conflictRate, figures, OLD_MS, total, troubles } from "./figures.js";
import { cityAt, outline } from "./india.js";

const EVERY_MS = 2000;
const KEPT = 450;
const SVG = "http://www.w3.org/2000/svg";

export class Overview {
  /** @param {HTMLElement} screen @param {(why?: string) => void} leave */
  constructor(screen, leave) {
    this._screen = screen;
    this._leave = leave;
    /** @type {Installation | null} */
    this._now = null;
    /** @type {Figures[]} */
    this._figures = [];
    /** @type {{time: number, all: Figures}[]} */
    this._history = [];
    /** @type {Chart[]} */
    this._charts = [];
    /** @type {{id: string, title: string, city: string, region: string, starts_at: string, status: string}[] | null} */
    this._shows = null;
    this._cut = false;
    this._words = "";
    this._timer = 0;
    this._parts = {
      totals: h("ul", { class: "totals" }),
      map: h("div", { class: "india" }),
      regions: h("div", { class: "regions" }),
      notice: h("div", { "aria-live": "polite" }),
      plots: h("div", { class: "plots" }),
      shows: h("ul", { class: "show-list" }),
      found: h("p", { class: "hint", role: "status" }),
    };
  }

  /** @param {Translator} i18n */
  start(i18n) {
    this.localize(i18n);
    this._ask();
    this._askShows();
  }

  stop() {
    clearTimeout(this._timer);
    for (const chart of this._charts) chart.destroy();
    this._charts = [];
  }

  /** Draw everything in this language and theme. @param {Translator} i18n */
  localize(i18n) {
    this._i18n = i18n;
    const search = h("input", {
      type: "search",
      id: "find",
      value: this._words,
      placeholder: i18n.t("opsFindShow"),
      "aria-label": i18n.t("opsFindShow"),
    });
    search.addEventListener("input", () => {
      this._words = search.value;
      this._drawShows();
    });
    const { totals, map, regions, notice, plots, shows, found } = this._parts;
    this._screen.replaceChildren(
      h(
        "div",
        { class: "head" },
        h("h1", {}, i18n.t("opsNow")),
        h("button", { class: "button", type: "button", onclick: () => this._leave() }, i18n.t("opsLeave")),
      ),
      notice,
      totals,
      h("div", { class: "place" }, map, regions),
      h("h2", {}, i18n.t("opsLately")),
      plots,
      h("h2", {}, i18n.t("opsShows")),
      h("label", { class: "search" }, icon("search"), search),
      found,
      shows,
    );
    this._makeCharts();
    this._draw();
  }

  async _ask() {
    try {
      const before = this._now;
      this._now = /** @type {Installation} */ (await ask("/ops"));
      const now = this._now;
      this._figures = now.regions.map((region) => figures(region, now, before));
      if (before) {
        this._history.push({ time: now.time / 1000, all: total(this._figures) });
        this._history.splice(0, this._history.length - KEPT);
      }
      this._cut = false;
    } catch (error) {
      if (error instanceof Refused && error.status === 403) {
        this._leave("opsWrongKey");
        return;
      }
      this._cut = true;
    }
    this._draw();
    this._timer = setTimeout(() => this._ask(), EVERY_MS);
  }

  async _askShows() {
    try {
      this._shows = (await ask("/shows")).shows;
    } catch {
      this._shows = null;
    }
    this._drawShows();
  }

  _draw() {
    const i18n = /** @type {Translator} */ (this._i18n);
    this._parts.notice.replaceChildren(
      ...(this._cut ? [h("p", { class: "error" }, icon("alert"), h("span", {}, i18n.t("opsCut")))] : []),
    );
    if (!this._now) {
      this._parts.totals.replaceChildren(h("li", { class: "waiting" }, this._cut ? "" : i18n.t("loading")));
      return;
    }
    this._drawTotals(total(this._figures));
    this._drawMap(this._now.regions);
    this._drawRegions(this._now.regions);
    this._drawCharts();
  }

  /** @param {Figures} all */
  _drawTotals(all) {
    const i18n = /** @type {Translator} */ (this._i18n);
    const one = (/** @type {string} */ name, /** @type {string} */ value) =>
      h("li", {}, h("b", {}, value), h("span", {}, i18n.t(name)));
    this._parts.totals.replaceChildren(
      one("opsViewers", i18n.count(all.viewers)),
      one("opsHoldsPerS", perSecond(all.holds, i18n)),
      one("opsBookingsPerS", perSecond(all.bookings, i18n)),
      one("opsConflicts", percent(conflictRate(all), i18n)),
      one("opsStale", milliseconds(all.lag, i18n)),
      one("opsOldest", milliseconds(all.oldest, i18n)),
    );
  }

  /** @param {RegionRecord[]} regions */
  _drawMap(regions) {
    const i18n = /** @type {Translator} */ (this._i18n);
    const svg = svgElement("svg", {
      viewBox: "0 0 96 100",
      role: "img",
      "aria-label": regions
        .map((region, n) => `${region.label}: ${i18n.t(troubles(region, this._figures[n])[0] ?? "opsGood")}`)
        .join("; "),
    });
    svg.append(svgElement("path", { d: outline, class: "land" }));
    regions.forEach((region, n) => {
      const at = cityAt(region.label);
      if (!at) return;
      const state = troubles(region, this._figures[n]).length ? (region.live ? "warn" : "lost") : "good";
      const size = 2 + Math.min(4, Math.log10(1 + this._figures[n].viewers) * 1.2);
      svg.append(
        svgElement("circle", { cx: at[0], cy: at[1], r: size + 2, class: `halo ${state}` }),
        svgElement("circle", { cx: at[0], cy: at[1], r: size, class: `city ${state}` }),
      );
      const label = svgElement("text", { x: at[0] + size + 3, y: at[1] + 1.6 });
      label.textContent = region.label;
      svg.append(label);
    });
    this._parts.map.replaceChildren(svg);
  }

  /** @param {RegionRecord[]} regions */
  _drawRegions(regions) {
    const open = new Set(
      [...this._parts.regions.querySelectorAll("details[open]")].map((each) => each.getAttribute("data-region")),
    );
    const focus = document.activeElement?.closest("details")?.getAttribute("data-region");
    this._parts.regions.replaceChildren(
      ...regions.map((region, n) => this._region(region, this._figures[n], open.has(region.name))),
    );
    if (focus)
      /** @type {HTMLElement | null} */ (
        this._parts.regions.querySelector(`[data-region="${CSS.escape(focus)}"] summary`)
      )?.focus();
  }

  /** @param {RegionRecord} region @param {Figures} now @param {boolean} open */
  _region(region, now, open) {
    const i18n = /** @type {Translator} */ (this._i18n);
    const wrong = troubles(region, now);
    const state = wrong.length
      ? wrong.map((name) =>
          h(
            "p",
            { class: `state ${region.live ? "warn" : "lost"}` },
            icon("alert"),
            i18n.t(name, { n: now.setAside, time: region.since ? i18n.time(region.since) : "" }),
          ),
        )
      : [h("p", { class: "state good" }, icon("check"), i18n.t("opsGood"))];
    const figure = (/** @type {string} */ name, /** @type {string} */ value) =>
      h("div", {}, h("dt", {}, i18n.t(name)), h("dd", {}, value));
    const rows = [
      ...region.nodes.map((node) => ({ ...node, sort: "opsNode" })),
      ...region.keepers.map((keeper) => ({ ...keeper, sort: "opsKeeper" })),
    ].map((each) =>
      h(
        "li",
        { class: each.age_ms < OLD_MS ? "" : "silent" },
        h("span", {}, `${i18n.t(each.sort)} ${each.name}`),
        h("span", {}, i18n.t("opsHeard", { n: Math.round(each.age_ms / 1000) })),
      ),
    );
    return h(
      "section",
      { class: "region", "data-region": region.name },
      h("h2", {}, region.label),
      ...state,
      h(
        "dl",
        {},
        figure("opsViewers", i18n.count(now.viewers)),
        figure("opsLiveHolds", i18n.count(now.liveHolds)),
        figure("opsHoldsPerS", perSecond(now.holds, i18n)),
        figure("opsBookingsPerS", perSecond(now.bookings, i18n)),
        figure("opsStale", milliseconds(now.lag, i18n)),
        figure("opsOutbox", i18n.count(now.outbox)),
        figure("opsOldest", milliseconds(now.oldest, i18n)),
        figure("opsJobs", i18n.count(now.jobs)),
      ),
      h(
        "details",
        { "data-region": region.name, open },
        h("summary", {}, i18n.t("opsParts", { nodes: now.nodes, keepers: now.keepers })),
        h("ul", { class: "parts" }, ...rows),
      ),
    );
  }

  _makeCharts() {
    const i18n = /** @type {Translator} */ (this._i18n);
    for (const chart of this._charts) chart.destroy();
    this._parts.plots.replaceChildren();
    const make = (/** @type {string} */ title, /** @type {(value: number) => string} */ format, lines = 1) => {
      const place = h("div", { class: "plot" });
      this._parts.plots.append(h("figure", {}, h("figcaption", {}, i18n.t(title)), place));
      return new Chart(place, i18n.t(title), format, lines);
    };
    this._charts = [
      make("opsViewers", (value) => i18n.count(Math.round(value))),
      make("opsSalesPlot", (value) => perSecond(value, i18n), 2),
      make("opsConflicts", (value) => `${i18n.count(Math.round(value))} %`),
      make("opsStaleMs", (value) => i18n.count(Math.round(value))),
      make("opsOutbox", (value) => i18n.count(Math.round(value))),
    ];
  }

  _drawCharts() {
    const times = this._history.map(({ time }) => time);
    const line = (/** @type {(figures: Figures) => number} */ of) => this._history.map(({ all }) => of(all));
    const [viewers, sales, conflicts, lag, outbox] = this._charts;
    viewers.set(times, [line((f) => f.viewers)]);
    sales.set(times, [line((f) => f.holds), line((f) => f.bookings)]);
    conflicts.set(times, [line((f) => 100 * conflictRate(f))]);
    lag.set(times, [line((f) => f.lag ?? 0)]);
    outbox.set(times, [line((f) => f.outbox)]);
  }

  _drawShows() {
    const i18n = /** @type {Translator} */ (this._i18n);
    const words = this._words.toLowerCase().split(/\s+/);
    const found = (this._shows ?? []).filter((show) =>
      words.every((word) => `${show.title} ${show.city} ${show.id}`.toLowerCase().includes(word)),
    );
    this._parts.found.textContent = this._shows ? i18n.t("showCount", { n: found.length }) : "";
    this._parts.shows.replaceChildren(
      ...found
        .slice(0, 60)
        .map((show) =>
          h(
            "li",
            {},
            h(
              "a",
              { href: `/ops/shows/${encodeURIComponent(show.id)}` },
              h("b", {}, show.title),
              h("span", {}, `${show.city}, ${i18n.day(show.starts_at)}, ${i18n.time(show.starts_at)}`),
              show.status === "live" ? null : h("em", {}, i18n.t(`status_${show.status}`)),
            ),
          ),
        ),
    );
  }
}

/** @param {number} value @param {Translator} i18n */
function perSecond(value, i18n) {
  return i18n.count(value < 10 ? Math.round(value * 10) / 10 : Math.round(value));
}

/** @param {number} share @param {Translator} i18n */
function percent(share, i18n) {
  return `${i18n.count(Math.round(share * 100))} %`;
}

/** @param {number | null} value @param {Translator} i18n */
function milliseconds(value, i18n) {
  if (value === null) return "–";
  return value < 1000 ? i18n.t("opsMs", { n: Math.round(value) }) : i18n.t("opsS", { n: Math.round(value / 100) / 10 });
}

/** @param {string} name @param {Record<string, string | number>} attributes */
function svgElement(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}
