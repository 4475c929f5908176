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
const FULL_HEIGHT = 40;
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
    /** @type {{left: number, right: number, top: number, bottom: number}[]} */
    const taken = [];
    layout.sections.forEach((section, n) => {
      const label = this._labels[n];
      if (label) this._place(label.box, section, taken);
    });
  }

  /**
   * Put a label in its section's middle: with what is free where there is room, the name alone where there is less.
   * @param {HTMLElement} box
   * @param {import("./layout.js").Section} section
   * @param {{left: number, right: number, top: number, bottom: number}[]} taken by labels before it
   */
  _place(box, section, taken) {
    const { scale, x, y, width, height } = this._camera;
    const [px, py] = [section.x * scale + x, section.y * scale + y];
    const wide = section.name.length * LETTER + 18;
    const size = [FULL_HEIGHT, SMALL_HEIGHT].find((tall) => {
      const half = Math.max(wide, tall === FULL_HEIGHT ? 80 : 0) / 2;
      const here = { left: px - half, right: px + half, top: py - tall / 2, bottom: py + tall / 2 };
      if (taken.some((other) => touches(here, other))) return false;
      taken.push(here);
      return true;
    });
    box.hidden = !size || px < -80 || px > width + 80 || py < -40 || py > height + 40;
    if (box.hidden) return;
    box.classList.toggle("small", size === SMALL_HEIGHT);
    box.style.transform = `translate(${Math.round(px)}px, ${Math.round(py)}px) translate(-50%, -50%)`;
  }
}
