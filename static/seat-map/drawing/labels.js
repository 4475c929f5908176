/**
 * Labels of the sections over the plan at small scales: name and number of free seats where there is room, else the
 * name with a gauge, else the gauge alone. The tip of a section always has both.
 *
 * @import { Camera } from "./camera.js"
 * @import { Layout, Section } from "../layout.js"
 * @import { Translator } from "../../i18n/i18n.js"
 * @import { Rect } from "../types.js"
 */
import { h } from "../../app/dom.js";
import { touches } from "../geometry.js";
import { FREE, UNKNOWN } from "../seat-states.js";

/** With seats larger than this (CSS pixels) there are no labels. */
const NEAR = 9;
/** Estimated sizes, CSS pixels: measuring sixty labels in each frame of a zoom would be too slow. */
const LETTER = 6.4;
const SIZES = {
  full: { least: 76, tall: 46 },
  name: { least: 40, tall: 27 },
  gauge: { least: 22, tall: 9 },
  dot: { least: 12, tall: 9 },
};
/** During a zoom the pane is stretched, and the labels are arranged again this often, or at this stretch. */
const ARRANGE_MS = 90;
const STRETCH = 1.25;
/** If a smaller share of the names fits, there are gauges only. */
const ENOUGH_NAMES = 0.6;

/** @typedef {keyof typeof SIZES} Form */
/** @typedef {{box: HTMLElement, count: HTMLElement, bar: HTMLElement, said: number, form: Form | "none" | null}} Label */

export class Labels {
  /** @param {HTMLElement} pane @param {Camera} camera */
  constructor(pane, camera) {
    this._pane = pane;
    this._camera = camera;
    /** @type {Label[]} */
    this._labels = [];
    this._scale = 0;
    this._arrangedAt = 0;
    /** Free seats by section, as of the last count. */
    this.bySection = new Int32Array(0);
    /** Free seats in all; -1 before the first snapshot. */
    this.free = -1;
  }

  /** Whether there are labels at this size. @param {Layout} layout @param {number} size of a seat on the screen */
  shown(layout, size) {
    return size < NEAR && layout.sections.length > 1;
  }

  /** @param {Layout} layout */
  reset(layout) {
    this._labels = layout.sections.map(({ name }) => {
      const bar = h("i");
      const count = h("span", { class: "label-free" });
      const box = h(
        "div",
        { class: "label" },
        h("span", { class: "label-name" }, name),
        h("span", { class: "gauge" }, bar),
        count,
      );
      return { box, count, bar, said: -1, form: null };
    });
    this._pane.replaceChildren(...this._labels.map(({ box }) => box));
    this._scale = 0;
  }

  /**
   * Count the free seats of each section.
   * @param {Layout} layout
   * @param {(seat: number) => number} status
   * @param {Translator} i18n
   */
  count(layout, status, i18n) {
    const free = new Int32Array(layout.sections.length);
    let all = 0;
    let unknown = layout.count === 0;
    for (let n = 0; n < layout.count; n++) {
      const is = status(n);
      if (is === FREE) {
        free[layout.section[n]]++;
        all++;
      }
      unknown ||= is === UNKNOWN;
    }
    this.bySection = free;
    this.free = unknown ? -1 : all;
    if (unknown) return;
    this._labels.forEach((label, n) => {
      if (label.said === free[n]) return;
      label.said = free[n];
      label.count.textContent = free[n] ? i18n.t("freeCount", { n: free[n] }) : i18n.t("full");
      label.box.classList.toggle("sold-out", !free[n]);
      label.bar.style.width = `${Math.ceil((100 * free[n]) / (layout.sections[n]?.count || 1))}%`;
    });
  }

  /** @param {Layout} layout @param {number} size of a seat on the screen */
  frame(layout, size) {
    const shown = this.shown(layout, size);
    if (this._pane.hidden === shown) this._pane.hidden = !shown;
    if (!shown) return;
    const { scale, x, y } = this._camera;
    const ratio = scale / this._scale;
    const now = performance.now();
    if (ratio > STRETCH || ratio < 1 / STRETCH || (ratio !== 1 && now - this._arrangedAt > ARRANGE_MS)) {
      this._arrange(layout, scale);
      this._scale = scale;
      this._arrangedAt = now;
    }
    const at = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
    this._pane.style.transform = scale === this._scale ? at : `${at} scale(${scale / this._scale})`;
  }

  // The places of labels depend on the scale alone, so a pan moves only their pane.
  /** @param {Layout} layout @param {number} scale */
  _arrange({ sections }, scale) {
    /** @type {Form[][]} the most detailed first */
    const ways = [["full"], ["name", "gauge", "dot"], ["gauge", "dot"]];
    // All labels with numbers, or none: a mixture looks as if it had a meaning.
    const [full, names, gauges] = ways.map((way) => fit(sections, way, scale));
    const named = names.filter((form) => form === "name").length;
    const forms = !full.includes("none") ? full : named >= sections.length * ENOUGH_NAMES ? names : gauges;
    sections.forEach((section, n) => {
      const label = this._labels[n];
      if (!label) return;
      if (forms[n] !== label.form) label.box.className = `label as-${forms[n]}${label.said === 0 ? " sold-out" : ""}`;
      label.form = forms[n];
      label.box.style.transform = `translate(${Math.round(section.x * scale)}px, ${Math.round(section.y * scale)}px) translate(-50%, -50%)`;
    });
  }
}

/**
 * For each section the first of these forms that has room next to the labels before it.
 * @param {Section[]} sections
 * @param {Form[]} way
 * @param {number} scale
 * @returns {(Form | "none")[]}
 */
function fit(sections, way, scale) {
  /** @type {Rect[]} */
  const taken = [];
  return sections.map((section) => {
    for (const form of way) {
      const place = box(section, form, scale);
      if (taken.some((other) => touches(place, other))) continue;
      taken.push(place);
      return form;
    }
    return "none";
  });
}

/** @param {Section} section @param {Form} form @param {number} scale @returns {Rect} CSS pixels from the plan's corner */
function box(section, form, scale) {
  const { least, tall } = SIZES[form];
  const half = Math.max(form === "gauge" || form === "dot" ? 0 : section.name.length * LETTER + 18, least) / 2;
  const [x, y] = [section.x * scale, section.y * scale];
  return { left: x - half, right: x + half, top: y - tall / 2, bottom: y + tall / 2 };
}
