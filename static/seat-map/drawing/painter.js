/**
 * Draws a part of the plan at one scale: ground, seats, row names. It does not know which part the viewer sees.
 *
 * @import { Layout } from "../layout.js"
 * @import { Palette } from "./palette.js"
 * @import { Rect } from "../types.js"
 */
import { touches } from "../geometry.js";
import { FREE } from "../seat-states.js";
import { Dots } from "./dots.js";
import { Ground } from "./ground.js";
import { drawSeat } from "./seat-forms.js";

/** Sizes of a seat, CSS pixels: below the first a seat is a dot; from the others on, rows have names and seats numbers. */
const DOTS = 7;
const ROW_NAMES = 11;
const NUMBERS = 17;

/**
 * @typedef {object} Scene everything that a picture depends on
 * @property {Layout} layout
 * @property {Palette} palette
 * @property {(seat: number) => number} state a status, SELECTED or MINE
 * @property {(seat: number) => boolean} dimmed filtered out
 */

export class Painter {
  /** @param {Scene} scene @param {number} scale CSS pixels per unit of the plan @param {number} dpr */
  constructor(scene, scale, dpr) {
    this._scene = scene;
    this._k = scale * dpr;
    this._dpr = dpr;
    /** A seat's size in CSS pixels. */
    this.size = scene.layout.seatSize * scale;
    this._px = Math.max(1, Math.round(this.size * dpr));
    this._pad = Math.ceil(dpr);
    this._ground = new Ground(scene, this._k, dpr);
    this._dots = new Dots(scene, this._k, this._px);
    /** @type {Map<number, HTMLCanvasElement>} */
    this._sprites = new Map();
  }

  /** How far the picture of a seat extends from its centre, in units of the plan. */
  get reach() {
    return (this._px / 2 + this._pad + 1) / this._k;
  }

  /**
   * Paint a whole tile.
   * @param {CanvasRenderingContext2D} context
   * @param {number} left device pixels of the tile's corner in the whole picture
   * @param {number} top
   * @param {Rect} area the tile, in units of the plan
   */
  paint(context, left, top, area) {
    this.ground(context, left, top, area);
    const { reach } = this;
    const wide = {
      left: area.left - reach,
      top: area.top - reach,
      right: area.right + reach,
      bottom: area.bottom + reach,
    };
    if (this.size < DOTS) this._dots.paint(context, left, top, wide);
    else this._seats(context, left, top, wide);
    if (this.size >= ROW_NAMES) this._rowNames(context, left, top, area);
  }

  /**
   * Paint the ground of a tile; false when it is the background alone.
   * @param {CanvasRenderingContext2D} context
   * @param {number} left
   * @param {number} top
   * @param {Rect} area
   */
  ground(context, left, top, area) {
    return this._ground.paint(context, left, top, area);
  }

  /**
   * Repaint one seat: its own square and nothing else.
   * @param {CanvasRenderingContext2D} context
   * @param {HTMLCanvasElement | null} ground of its tile, null for the background alone
   * @param {number} left
   * @param {number} top
   * @param {number} seat
   */
  patch(context, ground, left, top, seat) {
    const { layout } = this._scene;
    const side = this._px;
    const dots = this.size < DOTS;
    const edge = dots ? side / 2 : side / 2 + this._pad;
    const inset = dots ? 0 : this._pad;
    const x = Math.round(layout.x[seat] * this._k - left - edge) + inset;
    const y = Math.round(layout.y[seat] * this._k - top - edge) + inset;
    context.fillStyle = this._scene.palette.bg;
    if (ground) context.drawImage(ground, x, y, side, side, x, y, side, side);
    else context.fillRect(x, y, side, side);
    if (dots) this._dots.one(context, left, top, seat);
    else {
      this._prepare(context);
      this._seat(context, left, top, seat);
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {number} left @param {number} top @param {Rect} area */
  _seats(context, left, top, area) {
    const { layout } = this._scene;
    this._prepare(context);
    layout.spatial.each(area, (seat) => {
      const [x, y] = [layout.x[seat], layout.y[seat]];
      if (x >= area.left && x <= area.right && y >= area.top && y <= area.bottom) this._seat(context, left, top, seat);
    });
  }

  /** @param {CanvasRenderingContext2D} context */
  _prepare(context) {
    context.font = `600 ${Math.round(this._px * 0.42)}px ${this._scene.palette.font}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
  }

  /** @param {CanvasRenderingContext2D} context @param {number} left @param {number} top @param {number} seat */
  _seat(context, left, top, seat) {
    const { layout, palette, state, dimmed } = this._scene;
    const half = this._px / 2 + this._pad;
    const px = Math.round(layout.x[seat] * this._k - left - half);
    const py = Math.round(layout.y[seat] * this._k - top - half);
    const kind = state(seat);
    const dim = dimmed(seat);
    const access = layout.accessible[seat];
    const category = layout.category[seat];
    context.drawImage(this._sprite(category, kind, dim, access), px, py);
    if (this.size < NUMBERS || kind !== FREE || dim || access) return;
    context.fillStyle = palette.categories[category].ink;
    const number = layout.numbers[seat];
    // With a maximum width the canvas measures the text each time; one or two digits always fit.
    if (number.length < 3) context.fillText(number, px + half, py + half + this._px * 0.04);
    else context.fillText(number, px + half, py + half + this._px * 0.04, this._px * 0.86);
  }

  /** @param {CanvasRenderingContext2D} context @param {number} left @param {number} top @param {Rect} area */
  _rowNames(context, left, top, area) {
    const { layout, palette } = this._scene;
    const k = this._k;
    context.fillStyle = palette.muted;
    context.font = `500 ${Math.max(9 * this._dpr, Math.round(this._px * 0.4))}px ${palette.font}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    const { x: xs, y: ys, pitch } = layout;
    const margin = pitch * 2;
    const wide = {
      left: area.left - margin,
      top: area.top - margin,
      right: area.right + margin,
      bottom: area.bottom + margin,
    };
    const near = layout.sections.filter(({ bounds }) => touches(bounds, wide));
    for (const row of near.flatMap(({ rows }) => rows)) {
      const { name, seats } = layout.rows[row];
      if (!name) continue;
      const last = seats.length - 1;
      for (const [end, next, side] of [
        [seats[0], seats[1], -1],
        [seats[last], seats[last - 1], 1],
      ]) {
        const [dx, dy] = next === undefined ? [side, 0] : [xs[end] - xs[next], ys[end] - ys[next]];
        const far = Math.hypot(dx, dy) || 1;
        const x = xs[end] + (dx / far) * pitch;
        const y = ys[end] + (dy / far) * pitch;
        if (x < wide.left || x > wide.right || y < wide.top || y > wide.bottom) continue;
        context.fillText(name, x * k - left, y * k - top);
      }
    }
  }

  /** @param {number} category @param {number} kind @param {boolean} dim @param {number} access */
  _sprite(category, kind, dim, access) {
    const key = ((category * 8 + kind) * 2 + (dim ? 1 : 0)) * 2 + access;
    let sprite = this._sprites.get(key);
    if (!sprite) {
      sprite = document.createElement("canvas");
      sprite.width = sprite.height = this._px + 2 * this._pad;
      const context = /** @type {CanvasRenderingContext2D} */ (sprite.getContext("2d"));
      context.translate(this._pad, this._pad);
      drawSeat(context, this._px, this._dpr, kind, this._scene.palette, category, dim, access === 1);
      this._sprites.set(key, sprite);
    }
    return sprite;
  }
}
