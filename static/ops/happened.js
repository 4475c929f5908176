/**
 * What happened to the regions while this page was open: lost and reached again, keepers and nodes that stopped, alarms.
 * The list is kept in this tab, also over a reload.
 *
 * @import { Translator } from "../i18n/i18n.js"
 * @import { Figures, Installation } from "./figures.js"
 */
import { h, icon } from "../app/dom.js";
import { troubles } from "./figures.js";

const KEY = "tickingtickets.ops.happened";
const KEPT = 200;
const SHOWN = 15;

/** @typedef {{time: number, region: string, what: string, began: boolean}} Happened `what` is the name of a phrase */

export class HappenedList {
  constructor() {
    this.element = h("section", { class: "happened" });
    /** The newest first. @type {Happened[]} */
    this._events = stored();
    /** What was wrong with each region at the last report; null while there was none. @type {Map<string, string[]> | null} */
    this._last = null;
    this._drawn = "";
  }

  /** Note what has changed since the last report. @param {Installation} now @param {Figures[]} figures */
  note(now, figures) {
    const wrong = new Map(now.regions.map((region, n) => [region.label, troubles(region, figures[n])]));
    // What is wrong at the first report did not begin just now.
    const last = this._last ?? wrong;
    for (const [region, current] of wrong) {
      const earlier = last.get(region) ?? [];
      for (const what of current) if (!earlier.includes(what)) this._add(now.time, region, what, true);
      for (const what of earlier) if (!current.includes(what)) this._add(now.time, region, what, false);
    }
    this._last = wrong;
  }

  /** @param {number} time @param {string} region @param {string} what @param {boolean} began */
  _add(time, region, what, began) {
    this._events = [{ time, region, what, began }, ...this._events].slice(0, KEPT);
    try {
      sessionStorage.setItem(KEY, JSON.stringify(this._events));
    } catch {
      // Storage is full: the list lasts as long as the page.
    }
  }

  /** @param {Translator} i18n */
  draw(i18n) {
    const drawn = `${i18n.code}${this._events.length}${this._events[0]?.time ?? ""}`;
    if (drawn === this._drawn) return;
    this._drawn = drawn;
    const lines = this._events
      .slice(0, SHOWN)
      .map(({ time, region, what, began }) =>
        h(
          "li",
          { class: began ? "began" : "ended" },
          h("time", {}, i18n.clock(time)),
          icon(began ? "alert" : "check"),
          h("span", {}, i18n.t(began ? "opsBegan" : "opsEnded", { region, what: i18n.t(`${what}Short`) })),
        ),
      );
    this.element.replaceChildren(
      h("h2", {}, i18n.t("opsHappened")),
      lines.length ? h("ul", {}, ...lines) : h("p", { class: "hint" }, i18n.t("opsNothingHappened")),
    );
  }
}

/** @returns {Happened[]} */
function stored() {
  try {
    const events = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    return Array.isArray(events) ? events : [];
  } catch {
    return [];
  }
}
