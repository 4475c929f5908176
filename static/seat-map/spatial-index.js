/**
 * Finds the seats of an area. Seats are sorted into squares of the plan, so that the cost depends on the area and not
 * on the number of seats. Pure.
 *
 * @import { Layout } from "./layout.js"
 * @import { Rect } from "./types.js"
 */

export class SpatialIndex {
  /** @param {Layout} layout @param {Rect} box around the centres of its seats; not looked at if there are none */
  constructor(layout, box) {
    const { count, x, y } = layout;
    const { left, top, right, bottom } = count ? box : { left: 0, top: 0, right: 1, bottom: 1 };
    this.left = left;
    this.top = top;
    this.cell = Math.max(layout.pitch * 6, (right - left) / 400, (bottom - top) / 400, 1e-6);
    this.columns = Math.floor((right - left) / this.cell) + 1;
    this.lines = Math.floor((bottom - top) / this.cell) + 1;
    const cells = this.columns * this.lines;
    this.start = new Uint32Array(cells + 1);
    this.items = new Uint32Array(count);
    const of = new Uint32Array(count);
    for (let n = 0; n < count; n++) {
      of[n] = Math.floor((y[n] - top) / this.cell) * this.columns + Math.floor((x[n] - left) / this.cell);
      this.start[of[n] + 1]++;
    }
    for (let n = 0; n < cells; n++) this.start[n + 1] += this.start[n];
    const next = this.start.slice();
    for (let n = 0; n < count; n++) this.items[next[of[n]]++] = n;
  }

  /**
   * Call `visit` with every seat of the squares that touch the area; some of these seats may be just outside it.
   * @param {Rect} area
   * @param {(seat: number) => void} visit
   */
  each(area, visit) {
    const c0 = Math.max(0, Math.floor((area.left - this.left) / this.cell));
    const c1 = Math.min(this.columns - 1, Math.floor((area.right - this.left) / this.cell));
    const l0 = Math.max(0, Math.floor((area.top - this.top) / this.cell));
    const l1 = Math.min(this.lines - 1, Math.floor((area.bottom - this.top) / this.cell));
    for (let line = l0; line <= l1; line++) {
      const base = line * this.columns;
      const end = this.start[base + c1 + 1];
      for (let k = this.start[base + c0]; k < end; k++) visit(this.items[k]);
    }
  }
}
