/**
 * Names of the sections with what is free in them, over the plan when it is seen from afar.
 *
 * @import { Camera } from "./camera.js"
 * @import { Layout } from "./layout.js"
 * @import { Speaker } from "../i18n/i18n.js"
 */
import { h } from "../app/dom.js";
import { touches } from "./painter.js";
import { FREE } from "./seat-states.js";

/** Seats larger than this (CSS pixels) speak for themselves. */
const NEAR = 9;
/** A label's size, CSS pixels; measuring sixty boxes in each frame of a zoom would cost more than it is worth. */
const LETTER = 6.4;
const FULL_WIDTH = 76;
const FULL_HEIGHT = 38;
const SMALL_HEIGHT = 20;

export class Labels {
  /** @param {HTMLElement} pane @param {Camera} camera */
  constructor(pane, camera) {
    this._pane = pane;
    this._camera = camera;
    /** @type {{box: HTMLElement, free: HTMLElement, said: number}[]} */
    this._labels = [];
    this._free = new Int32Array(0);
  }

  /** @param {Layout} layout */
  reset(layout) {
    this._labels = layout.sections.map(({ name }) => {
      const free = h("span", { class: "label-free" });
      return { box: h("div", { class: "label" }, h("span", { class: "label-name" }, name), free), free, said: -1 };
    });
    this._pane.replaceChildren(...this._labels.map(({ box }) => box));
  }

  /**
   * Count anew what is free in each section.
   * @param {Layout} layout
   * @param {(seat: number) => number} status
   * @param {Speaker} say
   */
  count(layout, status, say) {
    const free = new Int32Array(layout.sections.length);
    let unknown = false;
    for (let n = 0; n < layout.count; n++) {
      const is = status(n);
      if (is === FREE) free[layout.section[n]]++;
      unknown ||= is === 4;
    }
    this._free = free;
    this._labels.forEach((label, n) => {
      if (label.said === free[n] || unknown) return;
      label.said = free[n];
      label.free.textContent = free[n] ? say.t("freeCount", { n: free[n] }) : say.t("full");
      label.box.classList.toggle("full", !free[n]);
    });
  }

  /** Free seats in all, as of the last count. */
  get free() {
    return this._free.reduce((sum, n) => sum + n, 0);
  }

  /** @param {Layout} layout @param {number} size of a seat on the screen */
  frame(layout, size) {
    const shown = size < NEAR && layout.sections.length > 1;
    this._pane.hidden = !shown;
    if (!shown) return;
    // All with what is free in them, or all with their names alone: a mixture reads as if it meant something.
    const roomy = layout.sections.every((section, n) => !this._collides(this._box(section, true), layout.sections.slice(0, n).map((other) => this._box(other, true))));
    /** @type {import("./types.js").Rect[]} */
    const taken = [];
    layout.sections.forEach((section, n) => {
      const label = this._labels[n];
      if (label) this._place(label.box, this._box(section, roomy), roomy, taken);
    });
  }

  /** @param {import("./layout.js").Section} section @param {boolean} full @returns {import("./types.js").Rect} on the screen */
  _box(section, full) {
    const { scale, x, y } = this._camera;
    const [px, py] = [section.x * scale + x, section.y * scale + y];
    const half = Math.max(section.name.length * LETTER + 18, full ? FULL_WIDTH : 0) / 2;
    const tall = (full ? FULL_HEIGHT : SMALL_HEIGHT) / 2;
    return { left: px - half, right: px + half, top: py - tall, bottom: py + tall };
  }

  /** @param {import("./types.js").Rect} box @param {import("./types.js").Rect[]} others */
  _collides(box, others) {
    return others.some((other) => touches(box, other));
  }

  /**
   * Put a label where it belongs, unless another one is there or it is out of sight.
   * @param {HTMLElement} box
   * @param {import("./types.js").Rect} at
   * @param {boolean} full
   * @param {import("./types.js").Rect[]} taken by labels before it
   */
  _place(box, at, full, taken) {
    const { width, height } = this._camera;
    box.hidden = !touches(at, { left: 0, top: 0, right: width, bottom: height }) || this._collides(at, taken);
    if (box.hidden) return;
    taken.push(at);
    box.classList.toggle("small", !full);
    box.style.transform = `translate(${Math.round((at.left + at.right) / 2)}px, ${Math.round((at.top + at.bottom) / 2)}px) translate(-50%, -50%)`;
  }
}
