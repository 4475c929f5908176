/**
 * Labels of the sections over the plan at small scales: name and number of free seats where there is room, else the
 * name with a gauge, else the gauge alone. The tip of a section always has both.
 *
 * @import { Camera } from "./camera.js"
 * @import { Layout } from "../layout.js"
 * @import { Translator } from "../../i18n/i18n.js"
 * @import { Form } from "./label-places.js"
 */
import { h } from "../../app/dom.js";
import { FREE, UNKNOWN } from "../seat-states.js";
import { placeLabels } from "./label-places.js";
import { planTexts } from "./plan-texts.js";

/** With seats larger than this (CSS pixels) there are no labels. */
const NEAR = 9;
/** During a zoom the pane is stretched, and the labels are arranged again at this stretch, and when the zoom rests. */
const STRETCH = 1.4;
/** Half the side of the box in which a label is centered, CSS pixels: no label is larger. */
const ROOM = 999;
/** What the label of a section says that has no seats of the shown prices; -1 is a label that said nothing yet. */
const NOTHING_SHOWN = -2;
/** @typedef {{box: HTMLElement, count: HTMLElement, bar: HTMLElement, said: number, form: Form | "none" | null}} Label */

export class Labels {
  /** @param {HTMLElement} pane @param {Camera} camera */
  constructor(pane, camera) {
    this._pane = pane;
    this._camera = camera;
    /** @type {Label[]} */
    this._labels = [];
    /** @type {import("./plan-texts.js").PlanText[]} */
    this._texts = [];
    this._scale = 0;
    /** The scale of the last frame. */
    this._before = 0;
    /** Free seats of the shown prices by section, as of the last count. */
    this.bySection = new Int32Array(0);
    /** All seats of the shown prices by section. */
    this.seatsBySection = new Int32Array(0);
    /** Free seats in all; -1 before the first snapshot. */
    this.free = -1;
  }

  /** Whether there are labels at this size. @param {Layout} layout @param {number} size of a seat on the screen */
  shown(layout, size) {
    return size < NEAR && layout.sections.length > 1;
  }

  /** @param {Layout} layout @param {Translator} i18n */
  reset(layout, i18n) {
    this._labels = layout.sections.map(({ title }) => {
      const bar = h("i");
      const count = h("span", { class: "label-free" });
      const box = h(
        "div",
        { class: "label" },
        h("span", { class: "label-name" }, title),
        count,
        h("span", { class: "gauge" }, bar),
      );
      return { box, count, bar, said: -1, form: null };
    });
    this._texts = planTexts(layout, i18n.name);
    this._pane.replaceChildren(...this._labels.map(({ box }) => box));
    this._scale = 0;
  }

  /**
   * Count the free seats of each section. One that has no seats of the shown prices is not called full.
   * @param {Layout} layout
   * @param {(seat: number) => number} status
   * @param {(seat: number) => boolean} dimmed filtered out: not counted
   * @param {Translator} i18n
   */
  count(layout, status, dimmed, i18n) {
    const free = new Int32Array(layout.sections.length);
    const seats = new Int32Array(layout.sections.length);
    let all = 0;
    let unknown = layout.count === 0;
    for (let n = 0; n < layout.count; n++) {
      const is = status(n);
      if (!dimmed(n)) {
        const section = layout.section[n];
        seats[section]++;
        if (is === FREE) {
          free[section]++;
          all++;
        }
      }
      unknown ||= is === UNKNOWN;
    }
    this.bySection = free;
    this.seatsBySection = seats;
    this.free = unknown ? -1 : all;
    if (unknown) return;
    this._labels.forEach((label, n) => {
      const says = seats[n] ? free[n] : NOTHING_SHOWN;
      if (label.said === says) return;
      label.said = says;
      label.count.textContent = free[n] ? i18n.t("freeCount", { n: free[n] }) : seats[n] ? i18n.t("full") : "";
      label.box.classList.toggle("sold-out", !says);
      label.bar.style.width = `${Math.ceil((100 * free[n]) / (seats[n] || 1))}%`;
    });
  }

  /** The map has another size: arrange the labels again. */
  resize() {
    this._scale = 0;
  }

  /** @param {Layout} layout @param {number} size of a seat on the screen */
  frame(layout, size) {
    const shown = this.shown(layout, size);
    if (this._pane.hidden === shown) this._pane.hidden = !shown;
    if (!shown) return;
    const { scale, x, y } = this._camera;
    const ratio = scale / this._scale;
    const rests = scale === this._before;
    this._before = scale;
    if (ratio > STRETCH || ratio < 1 / STRETCH || (ratio !== 1 && rests)) {
      this._arrange(layout, scale, size);
      this._scale = scale;
    }
    const at = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
    this._pane.style.transform = scale === this._scale ? at : `${at} scale(${scale / this._scale})`;
  }

  // A pan moves only their pane: the places of labels depend on the scale and on the size of the map alone.
  /** @param {Layout} layout @param {number} scale @param {number} size of a seat on the screen */
  _arrange(layout, scale, size) {
    const places = placeLabels(layout, scale, size, this._texts, this._camera.room(scale));
    places.forEach(({ form, x, y }, n) => {
      const label = this._labels[n];
      if (!label) return;
      if (form !== label.form) label.box.className = `label as-${form}${label.said === 0 ? " sold-out" : ""}`;
      label.form = form;
      // In the middle of a box around its place: a transform of each label would be work in every frame of a pan.
      const [left, top] = [Math.round(x), Math.round(y)];
      label.box.style.inset = `${top - ROOM}px ${-left - ROOM}px ${-top - ROOM}px ${left - ROOM}px`;
    });
  }
}
