/**
 * The overview of the installation: regions with their health and figures, plots of the last minutes, all shows.
 *
 * @import { Translator } from "../i18n/i18n.js"
 * @import { Figures, Installation, RegionRecord } from "./figures.js"
 */
import { errorLine, h, icon } from "../app/dom.js";
import { isOver } from "../seat-map/sales.js";
import { ApiError, ask, isKeyRefused } from "./api.js";
import { Bookings } from "./bookings.js";
import { Chart } from "./chart.js";
import { DeadLetterList } from "./dead-letters.js";
import { conflictRate, figures, total } from "./figures.js";
import { duration, milliseconds, percent, perSecond } from "./format.js";
import { GateList } from "./gates.js";
import { Hourly } from "./hourly.js";
import { IncidentList } from "./incidents.js";
import { JobList } from "./jobs.js";
import { Money } from "./money.js";
import { PlanImport } from "./plan-import.js";
import { nameRegions } from "./region-names.js";
import { regionCard, regionMap } from "./regions.js";
import { UnreadableList } from "./unreadable.js";

const EVERY_MS = 2000;
const KEPT = 450;
/** Shows that are listed unless an operator asks for all. */
const LISTED = 60;

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
    this._allShown = false;
    this._timer = 0;
    this._stopped = false;
    this._money = new Money(leave);
    this._bookings = new Bookings(leave);
    this._gates = new GateList(leave, (booking) => this._bookings.showBooking(booking));
    this._jobs = new JobList(leave);
    this._deadLetters = new DeadLetterList(leave);
    this._hourly = new Hourly(leave);
    this._plans = new PlanImport();
    this._incidents = new IncidentList(leave);
    this._unreadable = new UnreadableList();
    this._parts = {
      totals: h("ul", { class: "totals" }),
      map: h("div", { class: "india" }),
      regions: h("div", { class: "regions" }),
      notice: h("div", { "aria-live": "polite" }),
      plots: h("div", { class: "plots" }),
      shows: h("ul", { class: "show-list" }),
      found: h("p", { class: "hint", role: "status" }),
      rest: h("button", { class: "button", type: "button", onclick: () => this._showAll() }),
    };
  }

  /** @param {Translator} i18n */
  start(i18n) {
    this.localize(i18n);
    this._ask();
    this._askShows();
    this._money.start();
    this._jobs.start();
    this._deadLetters.start();
    this._incidents.start();
    this._hourly.start();
    this._gates.start();
    const named = new URLSearchParams(location.hash.slice(1)).get("booking");
    if (named) this._bookings.showBooking(named);
  }

  stop() {
    this._stopped = true;
    clearTimeout(this._timer);
    this._money.stop();
    this._jobs.stop();
    this._deadLetters.stop();
    this._incidents.stop();
    this._hourly.stop();
    this._gates.stop();
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
      this._allShown = false;
      this._drawShows();
    });
    const { totals, map, regions, notice, plots, shows, found, rest } = this._parts;
    this._screen.replaceChildren(
      h(
        "div",
        { class: "head" },
        h("h1", {}, i18n.t("opsNow")),
        h("button", { class: "button", type: "button", onclick: () => this._leave() }, i18n.t("opsLeave")),
      ),
      notice,
      this._money.alarm,
      this._deadLetters.alarm,
      this._gates.alarm,
      this._unreadable.element,
      totals,
      h("div", { class: "place" }, map, regions),
      this._incidents.element,
      h("h2", {}, i18n.t("opsLately")),
      plots,
      this._hourly.element,
      this._bookings.element,
      this._gates.element,
      this._money.element,
      this._jobs.element,
      this._deadLetters.element,
      this._plans.element,
      h("h2", {}, i18n.t("opsShows")),
      h("label", { class: "search" }, icon("search"), search),
      found,
      shows,
      rest,
    );
    this._makeCharts();
    this._bookings.localize(i18n);
    this._money.localize(i18n);
    this._jobs.localize(i18n);
    this._deadLetters.localize(i18n);
    this._incidents.localize(i18n);
    this._hourly.localize(i18n);
    this._gates.localize(i18n);
    this._plans.localize(i18n);
    this._unreadable.localize(i18n);
    this._draw();
  }

  async _ask() {
    try {
      const before = this._now;
      const now = /** @type {Installation} */ (await ask("/ops"));
      // Of a region none of whose servers answers, the last known ones.
      const known = this._figures;
      this._figures = now.regions.map((region, n) =>
        region.live || region.nodes.length || !known[n] ? figures(region, now, before) : known[n],
      );
      this._now = now;
      if (nameRegions(now.regions)) {
        this._incidents.redraw();
        this._deadLetters.redraw();
      }
      this._plans.setRegions(now.regions);
      this._unreadable.setRegions(now.regions);
      if (before) {
        this._history.push({ time: now.time / 1000, all: total(this._figures) });
        this._history.splice(0, this._history.length - KEPT);
      }
      this._cut = false;
      if (!this._stopped) this._draw();
    } catch (error) {
      if (!this._stopped && isKeyRefused(error)) {
        this._leave("opsWrongKey");
        return;
      }
      if (!(error instanceof ApiError)) reportError(error);
      this._cut = true;
      if (!this._stopped) this._drawNotice();
    }
    if (!this._stopped) this._timer = setTimeout(() => this._ask(), EVERY_MS);
  }

  async _askShows() {
    try {
      const answer = await ask("/shows?over=1");
      // Those that are over last, the latest of them first.
      const over = (/** @type {any} */ show) => isOver(show, answer.server_time);
      this._shows = [
        ...answer.shows.filter((/** @type {any} */ show) => !over(show)),
        ...answer.shows.filter(over).reverse(),
      ];
    } catch {
      this._shows = null;
    }
    this._drawShows();
  }

  /** Say whether the figures are old, or not there yet. */
  _drawNotice() {
    const i18n = /** @type {Translator} */ (this._i18n);
    const time = this._now ? i18n.clock(this._now.time) : "–";
    this._parts.notice.replaceChildren(...(this._cut ? [errorLine(i18n.t("opsCut", { time }))] : []));
    for (const part of [this._parts.totals, this._parts.regions]) part.classList.toggle("old", this._cut);
    if (!this._now)
      this._parts.totals.replaceChildren(h("li", { class: "waiting" }, this._cut ? "" : i18n.t("loading")));
  }

  _draw() {
    const i18n = /** @type {Translator} */ (this._i18n);
    this._drawNotice();
    if (!this._now) return;
    this._drawTotals(total(this._figures));
    this._parts.map.replaceChildren(regionMap(i18n, this._now.regions, this._figures));
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
      one("opsOpenOrders", i18n.count(all.openOrders)),
      one("opsOldestOrder", duration(all.oldestOrder, i18n)),
    );
  }

  /** @param {RegionRecord[]} regions */
  _drawRegions(regions) {
    const i18n = /** @type {Translator} */ (this._i18n);
    const open = new Set(
      [...this._parts.regions.querySelectorAll("details[open]")].map((each) => each.getAttribute("data-region")),
    );
    const focus = document.activeElement?.closest("details")?.getAttribute("data-region");
    this._parts.regions.replaceChildren(
      ...regions.map((region, n) => regionCard(i18n, region, this._figures[n], open.has(region.name))),
    );
    if (focus)
      /** @type {HTMLElement | null} */ (
        this._parts.regions.querySelector(`[data-region="${CSS.escape(focus)}"] summary`)
      )?.focus();
  }

  _makeCharts() {
    const i18n = /** @type {Translator} */ (this._i18n);
    for (const chart of this._charts) chart.destroy();
    this._parts.plots.replaceChildren();
    const make = (/** @type {string} */ title, /** @type {(value: number) => string} */ format, how = {}) => {
      const place = h("div", { class: "plot" });
      this._parts.plots.append(h("figure", {}, h("figcaption", {}, i18n.t(title)), place));
      return new Chart(place, i18n.t(title), format, how);
    };
    this._charts = [
      make("opsViewers", (value) => i18n.count(Math.round(value))),
      make("opsSalesPlot", (value) => perSecond(value, i18n), { lines: 2, step: 0.1 }),
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

  _showAll() {
    this._allShown = true;
    this._drawShows();
    /** @type {HTMLElement | null} */ (this._parts.shows.children[LISTED]?.querySelector("a"))?.focus();
  }

  _drawShows() {
    const i18n = /** @type {Translator} */ (this._i18n);
    const words = this._words.toLowerCase().split(/\s+/);
    const found = (this._shows ?? []).filter((show) =>
      words.every((word) =>
        `${show.title} ${i18n.name(show.title)} ${show.city} ${i18n.name(show.city)} ${show.id}`
          .toLowerCase()
          .includes(word),
      ),
    );
    this._parts.found.textContent = this._shows ? i18n.t("showCount", { n: found.length }) : "";
    const listed = this._allShown ? found : found.slice(0, LISTED);
    this._parts.rest.textContent = i18n.t("opsAllShows", { n: found.length });
    this._parts.rest.hidden = listed.length === found.length;
    this._parts.shows.replaceChildren(
      ...listed.map((show) =>
        h(
          "li",
          {},
          h(
            "a",
            { href: `/ops/shows/${encodeURIComponent(show.id)}` },
            h("b", {}, i18n.name(show.title)),
            h("span", {}, `${i18n.name(show.city)}, ${i18n.day(show.starts_at)}, ${i18n.time(show.starts_at)}`),
            show.status === "live" ? null : h("em", {}, i18n.t(`status_${show.status}`)),
          ),
        ),
      ),
    );
  }
}
