/**
 * Draws seats and shapes into a tile at one scale. It knows colours and forms, not where the viewer looks.
 *
 * A seat's state shows in its form, not in its colour alone: free is a full seat with its number, held by somebody is
 * an outline with hatching, sold is small and crossed, blocked a dash, your own is ringed and ticked.
 *
 * @import { Layout } from "./layout.js"
 * @import { Palette } from "./palette.js"
 * @import { Rect, Shape } from "./types.js"
 */
import { Dots } from "./dots.js";
import { shapeBounds } from "./layout.js";
import { BLOCKED, FREE, HELD, SOLD, UNKNOWN } from "./seat-states.js";

/** What the painter is told of a seat beside its status. */
export const SELECTED = 5;
export const MINE = 6;

/** Below this a seat is a dot, above `NUMBERS` it carries its number (CSS pixels). */
const DOTS = 7;
const NUMBERS = 17;
const ROW_NAMES = 11;
const DEGREE = Math.PI / 180;

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
    this.size = scene.layout.pitch * scale * 0.86;
    this._px = Math.max(1, Math.round(this.size * dpr));
    this._pad = Math.ceil(dpr);
    this._boxes = scene.layout.shapes.map((shape) => shapeBounds(shape, scene.layout.pitch));
    this._dots = new Dots(scene, this._k, this._px);
    /** @type {Map<number, HTMLCanvasElement>} */
    this._sprites = new Map();
  }

  /** How far a seat's picture reaches from its centre, in units of the plan. */
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
   * Paint what lies under the seats of a tile; false when that is the background alone.
   * @param {CanvasRenderingContext2D} context
   * @param {number} left
   * @param {number} top
   * @param {Rect} area
   */
  ground(context, left, top, area) {
    let any = false;
    context.fillStyle = this._scene.palette.bg;
    context.fillRect(0, 0, context.canvas.width, context.canvas.height);
    this._scene.layout.shapes.forEach((shape, n) => {
      if (!touches(this._boxes[n], area)) return;
      any = true;
      this._shape(context, shape, left, top);
    });
    return any;
  }

  /**
   * Paint one seat anew: its own square and nothing else.
   * @param {CanvasRenderingContext2D} context
   * @param {HTMLCanvasElement | null} ground what lies under it
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
    layout.grid.each(area, (seat) => {
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
    // A width to keep to has to be measured each time; one or two figures always fit.
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

  /** @param {CanvasRenderingContext2D} context @param {Shape} shape @param {number} left @param {number} top */
  _shape(context, shape, left, top) {
    if (shape.kind === "text") {
      this._text(
        context,
        shape.text,
        shape.points[0],
        shape.points[1]?.[1] || this._scene.layout.pitch,
        shape.rotation,
        left,
        top,
      );
      return;
    }
    const k = this._k;
    const { palette, layout } = this._scene;
    const [[x = 0, y = 0] = [], [w = 0, h = 0] = []] = shape.points;
    const box = { x, y, room: w * 2 };
    context.save();
    context.translate(-left, -top);
    context.scale(k, k);
    context.beginPath();
    if (shape.kind === "circle" || shape.kind === "ellipse") {
      context.ellipse(x, y, w, h || w, shape.rotation * DEGREE, 0, Math.PI * 2);
    } else if (shape.kind === "rectangle") {
      context.translate(x, y);
      context.rotate(shape.rotation * DEGREE);
      context.roundRect(0, 0, w, h, Math.min(w, h, layout.pitch) * 0.3);
      Object.assign(box, { x: x + w / 2, y: y + h / 2, room: w });
    } else {
      for (const [px, py] of shape.points) context.lineTo(px, py);
      context.closePath();
      const of = shapeBounds(shape, layout.pitch);
      Object.assign(box, { x: (of.left + of.right) / 2, y: (of.top + of.bottom) / 2, room: of.right - of.left });
    }
    context.fillStyle = palette.shape;
    context.fill();
    context.lineWidth = this._dpr / k;
    context.strokeStyle = palette.line;
    context.stroke();
    context.restore();
    if (shape.text) this._text(context, shape.text, [box.x, box.y], layout.pitch * 0.7, 0, left, top, box.room);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {string} text
   * @param {[number, number]} at
   * @param {number} tall units of the plan
   * @param {number} rotation degrees
   * @param {number} left
   * @param {number} top
   * @param {number} [room] units of the plan
   */
  _text(context, text, [x, y], tall, rotation, left, top, room = Infinity) {
    const size = Math.min(tall * this._k, 36 * this._dpr);
    const least = room === Infinity ? 7 : 10;
    context.font = `600 ${Math.round(Math.max(size, least * this._dpr))}px ${this._scene.palette.font}`;
    if (size < 5 * this._dpr && room === Infinity) return;
    if (context.measureText(text).width > room * this._k * 0.96) return;
    context.save();
    context.translate(x * this._k - left, y * this._k - top);
    context.rotate(rotation * DEGREE);
    context.fillStyle = this._scene.palette.shapeInk;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(text, 0, 0);
    context.restore();
  }
}

/**
 * Draw one seat in a square of `size` device pixels.
 * @param {CanvasRenderingContext2D} c
 * @param {number} size
 * @param {number} dpr
 * @param {number} kind
 * @param {Palette} palette
 * @param {number} category
 * @param {boolean} dim
 * @param {boolean} access
 */
function drawSeat(c, size, dpr, kind, palette, category, dim, access) {
  const color = palette.categories[category] ?? { fill: palette.ink, ink: palette.bg };
  const line = Math.max(1, Math.min(2 * dpr, size * 0.08));
  /** @param {number} by */
  const seat = (by) => {
    const s = size - 2 * by;
    c.beginPath();
    c.roundRect(by, by, s, s, [s * 0.34, s * 0.34, s * 0.16, s * 0.16]);
  };
  if (dim && kind < SELECTED) c.globalAlpha = 0.22;
  if (kind === FREE) {
    seat(0);
    c.fillStyle = color.fill;
    c.fill();
    if (access && size >= 9 * dpr) wheelchair(c, size, color.ink);
  } else if (kind === HELD) {
    drawHeld(c, size, palette, line, seat);
  } else if (kind === SOLD) {
    seat(size * 0.12);
    c.fillStyle = palette.taken;
    c.fill();
    if (size >= 10 * dpr) cross(c, size, palette.muted, line);
  } else if (kind === BLOCKED) {
    c.fillStyle = palette.taken;
    c.fillRect(size * 0.25, size * 0.45, size * 0.5, Math.max(1, size * 0.1));
  } else if (kind === UNKNOWN) {
    seat(line / 2);
    c.strokeStyle = palette.taken;
    c.lineWidth = line;
    c.stroke();
  } else {
    const mine = kind === MINE;
    seat(0);
    c.fillStyle = mine ? palette.ownInk : palette.own;
    c.fill();
    seat(line * 0.75);
    // The ring stands out from the ground, whatever colour the seats around have.
    c.strokeStyle = mine ? palette.own : palette.ink;
    c.lineWidth = line * 1.5;
    c.stroke();
    tick(c, size, mine ? palette.own : palette.ownInk, line * 1.8);
  }
}

/** @param {CanvasRenderingContext2D} c @param {number} size @param {Palette} palette @param {number} line @param {(by: number) => void} seat */
function drawHeld(c, size, palette, line, seat) {
  seat(line / 2);
  c.save();
  c.clip();
  c.strokeStyle = palette.muted;
  c.globalAlpha *= 0.5;
  c.lineWidth = line;
  c.beginPath();
  for (let n = -size; n < size; n += Math.max(3, size / 4)) {
    c.moveTo(n, size);
    c.lineTo(n + size, 0);
  }
  c.stroke();
  c.restore();
  seat(line / 2);
  c.strokeStyle = palette.muted;
  c.lineWidth = line;
  c.stroke();
}

/** @param {CanvasRenderingContext2D} c @param {number} size @param {string} color @param {number} line */
function tick(c, size, color, line) {
  c.beginPath();
  c.moveTo(size * 0.28, size * 0.53);
  c.lineTo(size * 0.44, size * 0.69);
  c.lineTo(size * 0.74, size * 0.34);
  c.strokeStyle = color;
  c.lineWidth = line;
  c.lineCap = c.lineJoin = "round";
  c.stroke();
}

/** @param {CanvasRenderingContext2D} c @param {number} size @param {string} color @param {number} line */
function cross(c, size, color, line) {
  c.beginPath();
  c.moveTo(size * 0.37, size * 0.38);
  c.lineTo(size * 0.63, size * 0.64);
  c.moveTo(size * 0.63, size * 0.38);
  c.lineTo(size * 0.37, size * 0.64);
  c.strokeStyle = color;
  c.globalAlpha *= 0.7;
  c.lineWidth = line;
  c.stroke();
}

/** @param {CanvasRenderingContext2D} c @param {number} size @param {string} color */
function wheelchair(c, size, color) {
  c.strokeStyle = c.fillStyle = color;
  c.lineWidth = size * 0.085;
  c.lineCap = c.lineJoin = "round";
  c.beginPath();
  c.arc(size * 0.45, size * 0.22, size * 0.075, 0, Math.PI * 2);
  c.fill();
  c.beginPath();
  c.moveTo(size * 0.45, size * 0.34);
  c.lineTo(size * 0.47, size * 0.54);
  c.lineTo(size * 0.64, size * 0.54);
  c.lineTo(size * 0.72, size * 0.74);
  c.stroke();
  c.beginPath();
  c.arc(size * 0.46, size * 0.63, size * 0.19, Math.PI * 1.15, Math.PI * 0.25, true);
  c.stroke();
}

/** @param {Rect} a @param {Rect} b */
export function touches(a, b) {
  return a.left <= b.right && a.right >= b.left && a.top <= b.bottom && a.bottom >= b.top;
}
