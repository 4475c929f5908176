/**
 * Draws seats at small scales, thousands at a time. Writing pixels into a buffer costs a tenth of one canvas call for
 * each seat.
 *
 * @import { Scene } from "./painter.js"
 * @import { Rect } from "../types.js"
 */

import { touches } from "../geometry.js";
import { FREE, SELECTED } from "../seat-states.js";
import { FULL } from "../spacing.js";
import { rgba } from "./palette.js";

/** A taken seat is smaller, not only paler. */
const TAKEN = 0.6;
/** States from here on are the viewer's own seats. */
const OWN = SELECTED;

export class Dots {
  /** @param {Scene} scene @param {number} k device pixels per unit of the plan @param {number} px a seat's side, device pixels @param {boolean} tiny all seats are drawn in one size */
  constructor(scene, k, px, tiny) {
    this._scene = scene;
    this._k = k;
    this._px = px;
    /** Of each seat; null where all are drawn in one size. */
    this._sizes = tiny ? null : scene.layout.sizes;
    /** @type {Map<number, number[]>} */
    this._lying = tiny ? new Map() : scene.layout.lying;
    const { palette } = scene;
    this._free = Uint32Array.from(palette.categories, ({ fill }) => rgba(fill));
    this._own = rgba(palette.own);
    this._taken = rgba(palette.taken);
    this._x = this._y = this._side = this._kind = 0;
  }

  /**
   * Paint all seats of an area over the ground.
   * @param {CanvasRenderingContext2D} context
   * @param {number} left device pixels of the canvas's corner in the whole picture
   * @param {number} top
   * @param {Rect} area units of the plan
   */
  paint(context, left, top, area) {
    const { width, height } = context.canvas;
    const scratch = scratchOf(width, height);
    scratch.pixels.fill(0);
    const { _lying: lying } = this;
    for (const { box, runs } of this._scene.layout.rows) {
      if (!touches(box, area)) continue;
      for (let run = 0; run < runs.length; run += 2) {
        for (let seat = runs[run]; seat < runs[run + 1]; seat++) {
          if (!lying.size || !lying.has(seat)) this._write(scratch.pixels, width, height, left, top, seat);
        }
      }
    }
    for (const seat of [...lying.keys()].sort((a, b) => a - b)) {
      this._write(scratch.pixels, width, height, left, top, seat);
    }
    scratch.context.putImageData(scratch.image, 0, 0);
    context.drawImage(scratch.context.canvas, 0, 0);
  }

  /** Paint one seat. @param {CanvasRenderingContext2D} context @param {number} left @param {number} top @param {number} seat */
  one(context, left, top, seat) {
    const { palette, layout } = this._scene;
    this._place(left, top, seat);
    const { _x: x, _y: y, _side: side, _kind: kind } = this;
    context.fillStyle =
      kind === OWN ? palette.own : kind === FREE ? palette.categories[layout.category[seat]].fill : palette.taken;
    context.fillRect(x, y, side, side);
  }

  /** Find where a seat is painted, and how: an object for each of thousands of seats would be garbage. @param {number} left @param {number} top @param {number} seat */
  _place(left, top, seat) {
    const { layout, state, dimmed } = this._scene;
    const is = state(seat);
    const kind = is >= OWN ? OWN : is === FREE && !dimmed(seat) ? FREE : 1;
    const full = this._sizes ? (this._px * this._sizes[seat]) / FULL : this._px;
    const whole = Math.max(1, Math.round(full));
    const side = kind === 1 ? Math.max(1, Math.round(full * TAKEN)) : whole;
    const shift = (whole - side) >> 1;
    this._x = Math.round(layout.x[seat] * this._k - left - whole / 2) + shift;
    this._y = Math.round(layout.y[seat] * this._k - top - whole / 2) + shift;
    this._side = side;
    this._kind = kind;
  }

  /** @param {Uint32Array} pixels @param {number} width @param {number} height @param {number} left @param {number} top @param {number} seat */
  _write(pixels, width, height, left, top, seat) {
    this._place(left, top, seat);
    const { _x: x, _y: y, _side: side, _kind: kind } = this;
    const color =
      kind === OWN ? this._own : kind === FREE ? this._free[this._scene.layout.category[seat]] : this._taken;
    const x0 = Math.max(0, x);
    const x1 = Math.min(width, x + side);
    const y1 = Math.min(height, y + side);
    for (let row = Math.max(0, y); row < y1; row++) {
      const base = row * width;
      for (let n = base + x0; n < base + x1; n++) pixels[n] = color;
    }
  }
}

/** @typedef {{context: CanvasRenderingContext2D, image: ImageData, pixels: Uint32Array}} Scratch */

/** @type {Scratch | null} the last one; nearly all tiles have the same size */
let kept = null;

/** @param {number} width @param {number} height @returns {Scratch} */
function scratchOf(width, height) {
  if (kept && kept.image.width === width && kept.image.height === height) return kept;
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  const image = context.createImageData(width, height);
  kept = { context, image, pixels: new Uint32Array(image.data.buffer) };
  return kept;
}
