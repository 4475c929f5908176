/**
 * The section of figures by the hour: plots over the last days, each with its table, and all of it as CSV.
 *
 * @import { Translator } from "../i18n/i18n.js"
 * @import { Hour } from "./hours.js"
 */
import { errorLine, h } from "../app/dom.js";
import { saveFile } from "../app/save-file.js";
import { ApiError, ask, download } from "./api.js";
import { Chart } from "./chart.js";
import { everyHour } from "./hours.js";
import { missingRegions, scrollTable, select } from "./pieces.js";
import { PolledSection } from "./polled-section.js";

const EVERY_MS = 60000;
const HOUR_MS = 3_600_000;
/** Hours in the longest of the choices of time. */
const SPANS = { 24: "opsDay", 168: "opsWeek", 720: "opsMonth" };
/** What each plot shows. @type {[title: string, lines: (keyof Hour)[]][]} */
const PLOTS = [
  ["opsMostViewers", ["viewers"]],
  ["opsHoldsConflicts", ["holds", "conflicts"]],
  ["opsBookingsPlot", ["orders", "bookings"]],
  ["opsPayTime", ["pay_ms"]],
  ["opsSeatsPlot", ["seats", "admitted"]],
  ["opsRevenue", ["revenue", "refunded"]],
];

/** @typedef {{since: number, until: number, hours: Partial<Hour>[], missing: string[]}} Answer */

/** @extends {PolledSection<Answer>} */
export class Hourly extends PolledSection {
  /** @param {(why: string) => void} leave called when the operator key is not valid any more */
  constructor(leave) {
    super(leave, "hourly", "money", "opsHourly", EVERY_MS);
    this._cutNotice = "opsHourlyCut";
    this._hoursBack = 168;
    this._show = "";
    /** @type {Hour[] | null} */
    this._hours = null;
    /** @type {string[]} */
    this._missing = [];
    /** @type {{chart: Chart, table: HTMLElement, lines: (keyof Hour)[]}[]} */
    this._plots = [];
    this._notice = h("div", { "aria-live": "polite" });
    this._places = h("div", { class: "plots" });
  }

  stop() {
    super.stop();
    this._destroyCharts();
  }

  get _place() {
    return this._notice;
  }

  /** @param {Translator} i18n */
  _parts(i18n) {
    this._makePlots(i18n);
    return [this._filters(i18n), this._notice, this._places];
  }

  _query() {
    const until = Date.now() + HOUR_MS;
    return new URLSearchParams({
      since: String(until - this._hoursBack * HOUR_MS),
      until: String(until),
      ...(this._show ? { show: this._show } : {}),
    });
  }

  /** @returns {Promise<Answer>} */
  async _request() {
    try {
      return await ask(`/ops/analytics?${this._query()}`);
    } catch (error) {
      // A show that does not exist has no figures.
      if (error instanceof ApiError && error.status === 404) return { since: 0, until: 0, hours: [], missing: [] };
      throw error;
    }
  }

  /** @param {Answer} answer */
  _keep({ since, until, hours, missing }) {
    this._hours = everyHour(hours, since, until);
    this._missing = missing;
  }

  async _save() {
    try {
      saveFile(await download(`/ops/analytics?${this._query()}&format=csv`), "analytics.csv");
    } catch {
      this._cut = true;
      this._draw();
    }
  }

  // --- drawing ------------------------------------------------------------------------------------------------------
  /** @param {Translator} i18n */
  _filters(i18n) {
    const spans = Object.entries(SPANS).map(([hours, name]) => [hours, i18n.t(name)]);
    const span = select("hourly-span", i18n.t("opsSpan"), String(this._hoursBack), spans);
    span.addEventListener("change", () => {
      this._hoursBack = Number(span.value);
      this._ask();
    });
    const show = h("input", {
      id: "hourly-show",
      type: "search",
      value: this._show,
      placeholder: i18n.t("opsAnyShow"),
    });
    show.addEventListener("change", () => {
      this._show = show.value.trim();
      this._ask();
    });
    return h(
      "div",
      { class: "filters" },
      h("label", {}, h("span", {}, i18n.t("opsSpan")), span),
      h("label", {}, h("span", {}, i18n.t("opsShowId")), show),
      h(
        "button",
        { class: "button", type: "button", "data-key": "csv", onclick: () => this._save() },
        i18n.t("opsCsv"),
      ),
    );
  }

  /** @param {Translator} i18n */
  _makePlots(i18n) {
    this._destroyCharts();
    this._places.replaceChildren();
    this._plots = PLOTS.map(([title, lines]) => {
      const place = h("div", { class: "plot" });
      const table = h("div");
      this._places.append(
        h(
          "figure",
          {},
          h("figcaption", {}, h("b", {}, i18n.t(title)), ...legend(i18n, lines)),
          place,
          h("details", {}, h("summary", {}, i18n.t("opsAsTable")), table),
        ),
      );
      const chart = new Chart(place, i18n.t(title), (value) => short(i18n, lines[0], value), {
        lines: lines.length,
        points: lines.includes("pay_ms"),
        time: (when) => (this._hoursBack <= 24 ? i18n.time(when) : i18n.shortDay(when)),
      });
      return { chart, table, lines };
    });
  }

  _destroyCharts() {
    for (const { chart } of this._plots) chart.destroy();
    this._plots = [];
  }

  _draw() {
    const i18n = this._i18n;
    if (!i18n) return;
    const missing = missingRegions(i18n, this._missing);
    this._notice.replaceChildren(...(this._cut ? [errorLine(i18n.t(this._cutNotice))] : missing));
    const hours = this._hours;
    if (!hours) return;
    for (const { chart, table, lines } of this._plots) {
      chart.set(
        hours.map(({ hour }) => hour / 1000),
        lines.map((name) => hours.map((each) => plotted(each[name], name))),
      );
      table.replaceChildren(tableOf(i18n, hours, lines));
    }
  }
}

/** @param {keyof Hour} name */
function isMoney(name) {
  return name === "revenue" || name === "refunded";
}

/** In the unit of the axis: rupees, seconds, or as it is. @param {number | null} value @param {keyof Hour} name */
function plotted(value, name) {
  return value === null ? null : value / (isMoney(name) ? 100 : name === "pay_ms" ? 1000 : 1);
}

/** What each line means, in its colour. @param {Translator} i18n @param {(keyof Hour)[]} lines */
function legend(i18n, lines) {
  return lines.map((name, n) => h("span", { class: "line-name", "data-line": n }, i18n.t(`opsHour_${name}`)));
}

/** @param {Translator} i18n @param {keyof Hour} name @param {number} value */
function short(i18n, name, value) {
  if (name === "pay_ms") return i18n.t("opsS", { n: Math.round(value) });
  return isMoney(name) ? `₹${i18n.count(Math.round(value))}` : i18n.count(Math.round(value));
}

/** @param {Translator} i18n @param {number} value @param {keyof Hour} name */
function written(i18n, value, name) {
  return isMoney(name) ? i18n.moneyLine(value) : short(i18n, name, plotted(value, name) ?? 0);
}

/** The hours in which there was anything, the newest first. @param {Translator} i18n @param {Hour[]} hours @param {(keyof Hour)[]} lines */
function tableOf(i18n, hours, lines) {
  const some = hours.filter((hour) => lines.some((name) => hour[name])).reverse();
  if (!some.length) return h("p", { class: "hint" }, i18n.t("opsNoFigures"));
  const cell = (/** @type {Hour} */ hour, /** @type {keyof Hour} */ name) =>
    h("td", { class: "amount" }, written(i18n, hour[name] ?? 0, name));
  return scrollTable(
    lines.map((name) => i18n.t(`opsHour_${name}`)).join(", "),
    [i18n.t("opsHour"), ...lines.map((name) => i18n.t(`opsHour_${name}`))],
    some.map((hour) =>
      h(
        "tr",
        {},
        h("th", { scope: "row", class: "when" }, i18n.moment(hour.hour)),
        ...lines.map((name) => cell(hour, name)),
      ),
    ),
  );
}
