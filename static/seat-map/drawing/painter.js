/**
 * Draws a part of the plan at one scale: ground, seats, row names. It does not know which part the viewer sees.
 *
 * @import { Layout } from "../layout.js"
 * @import { Palette } from "./palette.js"
 * @import { Rect } from "../types.js"
 */
import { FREE } from "../seat-states.js";
import { FULL } from "../spacing.js";
import { Dots } from "./dots.js";
import { Ground } from "./ground.js";
import { drawSeat } from "./seat-forms.js";

/** Sizes of a seat, CSS pixels: below the first a seat is a dot; from the others on, rows have names and seats numbers. */
const DOTS = 7;
const ROW_NAMES = 11;
const NUMBERS = 17;
/** Device pixels: a dot this small looks the same whatever size its seat has, unless the plan asks for larger ones. */
const TINY = 2;
/** Longer numbers can't be read on a seat. */
const LONGEST = 8;

/**
 * @typedef {object} Scene everything that a picture depends on
 * @property {Layout} layout
 * @property {Palette} palette
 * @property {(seat: number) => number} state a status, SELECTED or MINE
 * @property {(seat: number) => boolean} dimmed filtered out
 * @property {(text: string) => string} name a text of the plan in the viewer's language
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
    /** Whether all seats are drawn in one size: then nothing waits for their own sizes, or for what lies on what. */
    this._tiny = this._px <= TINY && scene.layout.plain;
    this._dots = new Dots(scene, this._k, this._px, this._tiny);
    /** @type {Map<number, HTMLCanvasElement>} */
    this._sprites = new Map();
  }

  /** How far the picture of a seat extends from its centre, in units of the plan. */
  get reach() {
    const side = this._tiny ? this._px : Math.max(this._px, this._scene.layout.largestSide * this._k);
    return (side / 2 + this._pad + 1) / this._k;
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
    const side = this._side(seat);
    const dots = this.size < DOTS;
    const edge = dots ? side / 2 : side / 2 + this._pad;
    const inset = dots ? 0 : this._pad;
    const x = Math.round(layout.x[seat] * this._k - left - edge) + inset;
    const y = Math.round(layout.y[seat] * this._k - top - edge) + inset;
    context.fillStyle = this._scene.palette.bg;
    if (ground) context.drawImage(ground, x, y, side, side, x, y, side, side);
    else context.fillRect(x, y, side, side);
    const lying = this._tiny ? undefined : layout.lying.get(seat);
    if (!lying) {
      this._one(context, left, top, seat, dots);
      return;
    }
    // Those that lie on each other are drawn again in their order, within this seat's square.
    context.save();
    context.beginPath();
    context.rect(x, y, side, side);
    context.clip();
    for (const each of [...lying, seat].sort((a, b) => a - b)) this._one(context, left, top, each, dots);
    context.restore();
  }

  /** @param {CanvasRenderingContext2D} context @param {number} left @param {number} top @param {number} seat @param {boolean} dots */
  _one(context, left, top, seat, dots) {
    if (dots) this._dots.one(context, left, top, seat);
    else {
      this._prepare(context);
      this._seat(context, left, top, seat);
    }
  }

  /** A seat's side, device pixels. @param {number} seat */
  _side(seat) {
    const part = this._tiny ? FULL : this._scene.layout.sizes[seat];
    return part === FULL ? this._px : Math.max(1, Math.round((this._px * part) / FULL));
  }

  /** @param {CanvasRenderingContext2D} context @param {number} left @param {number} top @param {Rect} area */
  _seats(context, left, top, area) {
    const { layout } = this._scene;
    this._prepare(context);
    /** @type {number[]} */
    const lying = [];
    layout.spatial.each(area, (seat) => {
      const [x, y] = [layout.x[seat], layout.y[seat]];
      if (x < area.left || x > area.right || y < area.top || y > area.bottom) return;
      if (layout.lying.size && layout.lying.has(seat)) lying.push(seat);
      else this._seat(context, left, top, seat);
    });
    for (const seat of lying.sort((a, b) => a - b)) this._seat(context, left, top, seat);
  }

  /** @param {CanvasRenderingContext2D} context */
  _prepare(context) {
    context.font = this._font(this._px);
    context.textAlign = "center";
    context.textBaseline = "middle";
  }

  /** @param {number} side */
  _font(side) {
    return `600 ${Math.round(side * 0.42)}px ${this._scene.palette.font}`;
  }

  /** @param {CanvasRenderingContext2D} context @param {number} left @param {number} top @param {number} seat */
  _seat(context, left, top, seat) {
    const { layout, palette, state, dimmed } = this._scene;
    const side = this._side(seat);
    const half = side / 2 + this._pad;
    const px = Math.round(layout.x[seat] * this._k - left - half);
    const py = Math.round(layout.y[seat] * this._k - top - half);
    const kind = state(seat);
    const dim = dimmed(seat);
    const access = layout.accessible[seat];
    const category = layout.category[seat];
    context.drawImage(this._sprite(category, kind, dim, access, side), px, py);
    if (side < NUMBERS * this._dpr || kind !== FREE || dim || access) return;
    context.fillStyle = palette.categories[category].ink;
    const number = layout.numberOf(seat) || layout.idOf(seat);
    if (number.length > LONGEST) return;
    if (side !== this._px) context.font = this._font(side);
    // With a maximum width the canvas measures the text each time; one or two digits always fit.
    if (number.length < 3) context.fillText(number, px + half, py + half + side * 0.04);
    else context.fillText(number, px + half, py + half + side * 0.04, side * 0.86);
    if (side !== this._px) context.font = this._font(this._px);
  }

  /** @param {CanvasRenderingContext2D} context @param {number} left @param {number} top @param {Rect} area */
  _rowNames(context, left, top, area) {
    const { layout, palette } = this._scene;
    const k = this._k;
    context.font = `500 ${Math.max(9 * this._dpr, Math.round(this._px * 0.4))}px ${palette.font}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    const margin = layout.pitch * 3;
    for (const { text, x, y } of layout.rowNames) {
      if (x < area.left - margin || x > area.right + margin || y < area.top - margin || y > area.bottom + margin)
        continue;
      context.fillStyle = layout.shapes.length ? this._ground.readable(palette.muted, [x, y]) : palette.muted;
      context.fillText(text, x * k - left, y * k - top);
    }
  }

  /** @param {number} category @param {number} kind @param {boolean} dim @param {number} access @param {number} side */
  _sprite(category, kind, dim, access, side) {
    const key = (((category * 8 + kind) * 2 + (dim ? 1 : 0)) * 2 + access) * 4096 + side;
    let sprite = this._sprites.get(key);
    if (!sprite) {
      sprite = document.createElement("canvas");
      sprite.width = sprite.height = side + 2 * this._pad;
      const context = /** @type {CanvasRenderingContext2D} */ (sprite.getContext("2d"));
      context.translate(this._pad, this._pad);
      drawSeat(context, side, this._dpr, kind, this._scene.palette, category, dim, access === 1);
      this._sprites.set(key, sprite);
    }
    return sprite;
  }
}
