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
/** Seats from this size on (CSS pixels) can be told apart: no label lies on them. */
const SEEN = 4;
/** The room between a section and a label beside it, CSS pixels. */
const BESIDE_PX = 8;
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

  /** @param {Layout} layout @param {Translator} i18n */
  reset(layout, i18n) {
    this._labels = layout.sections.map(({ name }) => {
      const bar = h("i");
      const count = h("span", { class: "label-free" });
      const box = h(
        "div",
        { class: "label" },
        h("span", { class: "label-name" }, i18n.name(name)),
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
   * @param {(seat: number) => boolean} dimmed filtered out: not counted
   * @param {Translator} i18n
   */
  count(layout, status, dimmed, i18n) {
    const free = new Int32Array(layout.sections.length);
    let all = 0;
    let unknown = layout.count === 0;
    for (let n = 0; n < layout.count; n++) {
      const is = status(n);
      if (is === FREE && !dimmed(n)) {
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
      this._arrange(layout, scale, size);
      this._scale = scale;
      this._arrangedAt = now;
    }
    const at = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
    this._pane.style.transform = scale === this._scale ? at : `${at} scale(${scale / this._scale})`;
  }

  // The places of labels depend on the scale alone, so a pan moves only their pane.
  /** @param {Layout} layout @param {number} scale @param {number} size of a seat on the screen */
  _arrange(layout, scale, size) {
    const { sections } = layout;
    // As soon as single seats can be seen, labels lie beside them.
    const covers = size < SEEN ? null : layout;
    /** @type {Form[][]} the most detailed first */
    const ways = [["full"], ["name", "gauge", "dot"], ["gauge", "dot"]];
    // All labels with numbers, or none: a mixture looks as if it had a meaning.
    const [full, names, gauges] = ways.map((way) => fit(sections, way, scale, covers));
    const named = names.filter(({ form }) => form === "name").length;
    const places = full.every(({ form }) => form !== "none")
      ? full
      : covers || named >= sections.length * ENOUGH_NAMES
        ? names
        : gauges;
    sections.forEach((_section, n) => {
      const label = this._labels[n];
      if (!label) return;
      const { form, x, y } = places[n];
      if (form !== label.form) label.box.className = `label as-${form}${label.said === 0 ? " sold-out" : ""}`;
      label.form = form;
      label.box.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px) translate(-50%, -50%)`;
    });
  }
}

/** @typedef {{form: Form | "none", x: number, y: number}} Place CSS pixels from the plan's corner */

/**
 * For each section the first of these forms that has room next to the labels before it.
 * @param {Section[]} sections
 * @param {Form[]} way
 * @param {number} scale
 * @param {Layout | null} layout whose seats must not be covered, null for those that are too small to be seen
 * @returns {Place[]}
 */
function fit(sections, way, scale, layout) {
  /** @type {Rect[]} */
  const taken = [];
  return sections.map((section) => {
    for (const form of way) {
      for (const [x, y] of spots(section, form, scale, layout !== null)) {
        const place = box(section, form, x, y);
        if (taken.some((other) => touches(place, other)) || (layout && coversSeat(layout, place, scale))) continue;
        taken.push(place);
        return { form, x, y };
      }
    }
    return { form: "none", x: 0, y: 0 };
  });
}

/** Where a label may lie, CSS pixels: on its section, or beside it. @param {Section} section @param {Form} form @param {number} scale @param {boolean} beside @returns {[number, number][]} */
function spots(section, form, scale, beside) {
  const [x, y] = [section.x * scale, section.y * scale];
  if (!beside) return [[x, y]];
  const { left, top, right, bottom } = section.bounds;
  const away = SIZES[form].tall / 2 + BESIDE_PX;
  const wide = width(section, form) / 2 + BESIDE_PX;
  return [
    [x, y],
    [x, top * scale - away],
    [x, bottom * scale + away],
    [left * scale - wide, y],
    [right * scale + wide, y],
  ];
}

/** @param {Layout} layout @param {Rect} place CSS pixels @param {number} scale */
function coversSeat(layout, place, scale) {
  const half = layout.largestSide / 2;
  const area = {
    left: place.left / scale - half,
    right: place.right / scale + half,
    top: place.top / scale - half,
    bottom: place.bottom / scale + half,
  };
  let covers = false;
  layout.spatial.each(area, (seat) => {
    const [x, y] = [layout.x[seat], layout.y[seat]];
    if (x > area.left && x < area.right && y > area.top && y < area.bottom) covers = true;
  });
  return covers;
}

/** @param {Section} section @param {Form} form */
function width(section, form) {
  return Math.max(form === "gauge" || form === "dot" ? 0 : section.name.length * LETTER + 18, SIZES[form].least);
}

/** @param {Section} section @param {Form} form @param {number} x @param {number} y @returns {Rect} CSS pixels from the plan's corner */
function box(section, form, x, y) {
  const half = width(section, form) / 2;
  const { tall } = SIZES[form];
  return { left: x - half, right: x + half, top: y - tall / 2, bottom: y + tall / 2 };
}
