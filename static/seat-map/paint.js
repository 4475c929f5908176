/**
 * Paints a layout on a canvas: seats as numbered discs when near, as dots when far, and an overview kept as a picture
 * when so far that a stadium is in sight, so that panning costs one image and a change repaints a few pixels.
 *
 * Status is never told by colour alone: held seats carry a dot, sold ones a cross, one's own a tick.
 *
 * @import { Layout } from "./layout.js"
 * @import { Camera } from "./camera.js"
 */

import { BLOCKED, FREE, HELD, SOLD } from "./seat-states.js";
import { contrasting } from "./palette.js";

/** Below this many pixels from seat to seat the overview is shown. */
const FAR_PX = 7;
/** From here on seats have numbers. */
const NUMBERS_PX = 20;
const OVERVIEW_MAX_PX = 3600;
const TURN = Math.PI * 2;
export const PULSE_MS = 900;

/** @typedef {{map: string, ink: string, soft: string, line: string, accent: string, accentInk: string, held: string, sold: string, mark: string, shape: string, font: string}} Colors */

export class Painter {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this._canvas = canvas;
    this._context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
    /** @type {HTMLCanvasElement | null} */
    this._overview = null;
    this._overviewScale = 1;
    /** @type {Colors} */
    this.colors = { map: "#fff", ink: "#000", soft: "#555", line: "#ccc", accent: "#60c", accentInk: "#fff", held: "#bbb", sold: "#ddd", mark: "#777", shape: "#eee", font: "sans-serif" };
    /** @type {string[]} */
    this._fills = [];
  }

  /** @param {HTMLElement} host @param {Layout} layout */
  theme(host, layout) {
    const style = getComputedStyle(host);
    /** @param {string} name @param {string} fallback */
    const read = (name, fallback) => style.getPropertyValue(name).trim() || fallback;
    this.colors = {
      map: read("--map", "#fbfaf7"),
      ink: read("--ink", "#1d1b26"),
      soft: read("--ink-soft", "#5b5768"),
      line: read("--line", "#dedad0"),
      accent: read("--accent", "#6a2c91"),
      accentInk: read("--accent-ink", "#ffffff"),
      held: read("--seat-held", "#b9b3a6"),
      sold: read("--seat-sold", "#d9d5cb"),
      mark: read("--seat-mark", "#6d685e"),
      shape: read("--line", "#dedad0"),
      font: style.fontFamily,
    };
    this._fills = layout.categories.map((category) => contrasting(category.color, this.colors.map, 3));
    this._overview = null;
  }

  /** @param {number} category */
  categoryColor(category) {
    return this._fills[category] ?? this.colors.soft;
  }

  /**
   * @param {Layout} layout
   * @param {Camera} camera
   * @param {(seat: number) => {status: number, own: boolean, dim: boolean}} look
   * @param {{focus: number, pulses: Map<number, number>, now: number}} extra
   */
  paint(layout, camera, look, { focus, pulses, now }) {
    const context = this._context;
    const ratio = devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = this.colors.map;
    context.fillRect(0, 0, camera.width, camera.height);
    const pitch = layout.pitch * camera.scale;
    if (pitch < FAR_PX) {
      const overview = this._overviewOf(layout, look);
      const { left, top, right, bottom } = layout.bounds;
      context.imageSmoothingQuality = "high";
      context.drawImage(overview, left * camera.scale + camera.x, top * camera.scale + camera.y, (right - left) * camera.scale, (bottom - top) * camera.scale);
      if (layout.sections.length > 1) this._sectionNames(layout, camera);
    } else {
      context.save();
      context.translate(camera.x, camera.y);
      context.scale(camera.scale, camera.scale);
      this._shapes(context, layout);
      context.restore();
      const reach = layout.pitch;
      const { left, top, right, bottom } = camera.view;
      layout.grid.each({ left: left - reach, top: top - reach, right: right + reach, bottom: bottom + reach }, (seat) => {
        const x = layout.x[seat] * camera.scale + camera.x;
        const y = layout.y[seat] * camera.scale + camera.y;
        if (x > -pitch && y > -pitch && x < camera.width + pitch && y < camera.height + pitch) {
          this._seat(context, layout, seat, x, y, pitch * 0.42, look(seat));
        }
      });
      if (pitch >= NUMBERS_PX * 0.7) this._rowNames(layout, camera, pitch);
    }
    for (const [seat, since] of pulses) {
      const age = (now - since) / PULSE_MS;
      context.globalAlpha = Math.max(0, 0.6 * (1 - age));
      context.strokeStyle = this.colors.accent;
      context.lineWidth = 2;
      context.beginPath();
      context.arc(layout.x[seat] * camera.scale + camera.x, layout.y[seat] * camera.scale + camera.y, Math.max(3, pitch * (0.45 + age * 0.35)), 0, TURN);
      context.stroke();
    }
    context.globalAlpha = 1;
    if (focus >= 0) {
      context.strokeStyle = this.colors.ink;
      context.lineWidth = 3;
      context.beginPath();
      context.arc(layout.x[focus] * camera.scale + camera.x, layout.y[focus] * camera.scale + camera.y, Math.max(6, pitch * 0.55), 0, TURN);
      context.stroke();
    }
  }

  /**
   * Bring the overview up to date where seats changed.
   * @param {Layout} layout
   * @param {(seat: number) => {status: number, own: boolean, dim: boolean}} look
   * @param {Iterable<number>} seats
   */
  changed(layout, look, seats) {
    if (!this._overview) return;
    const context = /** @type {CanvasRenderingContext2D} */ (this._overview.getContext("2d"));
    for (const seat of seats) this._dot(context, layout, seat, look(seat));
  }

  forget() {
    this._overview = null;
  }

  /** @param {Layout} layout @param {(seat: number) => {status: number, own: boolean, dim: boolean}} look */
  _overviewOf(layout, look) {
    if (this._overview) return this._overview;
    const { left, top, right, bottom } = layout.bounds;
    const scale = Math.min((FAR_PX * (devicePixelRatio || 1)) / layout.pitch, OVERVIEW_MAX_PX / Math.max(right - left, bottom - top));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.ceil((right - left) * scale));
    canvas.height = Math.max(1, Math.ceil((bottom - top) * scale));
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
    context.fillStyle = this.colors.map;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.scale(scale, scale);
    context.translate(-left, -top);
    this._shapes(context, layout);
    context.setTransform(1, 0, 0, 1, 0, 0);
    this._overviewScale = scale;
    for (let seat = 0; seat < layout.count; seat++) this._dot(context, layout, seat, look(seat));
    if (layout.complete) this._overview = canvas;
    return canvas;
  }

  /** @param {CanvasRenderingContext2D} context @param {Layout} layout @param {number} seat @param {{status: number, own: boolean, dim: boolean}} look */
  _dot(context, layout, seat, look) {
    const scale = this._overviewScale;
    const size = Math.max(1, layout.pitch * scale * 0.78);
    const x = (layout.x[seat] - layout.bounds.left) * scale - size / 2;
    const y = (layout.y[seat] - layout.bounds.top) * scale - size / 2;
    context.fillStyle = this.colors.map;
    context.fillRect(x, y, size, size);
    context.fillStyle = this._fill(layout, seat, look);
    context.globalAlpha = look.dim && look.status === FREE ? 0.25 : 1;
    context.fillRect(x, y, size, size);
    context.globalAlpha = 1;
  }

  /** @param {Layout} layout @param {number} seat @param {{status: number, own: boolean}} look */
  _fill(layout, seat, { status, own }) {
    if (own) return this.colors.accent;
    if (status === FREE) return this.categoryColor(layout.category[seat]);
    return status === HELD ? this.colors.held : this.colors.sold;
  }

  /**
   * @param {CanvasRenderingContext2D} context @param {Layout} layout @param {number} seat
   * @param {number} x @param {number} y @param {number} radius @param {{status: number, own: boolean, dim: boolean}} look
   */
  _seat(context, layout, seat, x, y, radius, look) {
    const { colors } = this;
    context.globalAlpha = look.dim && look.status === FREE && !look.own ? 0.25 : 1;
    context.fillStyle = this._fill(layout, seat, look);
    context.beginPath();
    if (layout.accessible[seat]) context.roundRect(x - radius, y - radius, radius * 2, radius * 2, radius * 0.4);
    else context.arc(x, y, radius, 0, TURN);
    if (look.status === BLOCKED && !look.own) {
      context.strokeStyle = colors.sold;
      context.lineWidth = 1;
      context.stroke();
    } else {
      context.fill();
    }
    if (radius >= 3.5) this._sign(context, layout, seat, x, y, radius, look);
    context.globalAlpha = 1;
  }

  /**
   * @param {CanvasRenderingContext2D} context @param {Layout} layout @param {number} seat
   * @param {number} x @param {number} y @param {number} radius @param {{status: number, own: boolean}} look
   */
  _sign(context, layout, seat, x, y, radius, { status, own }) {
    const { colors } = this;
    const arm = radius * 0.4;
    context.lineWidth = Math.max(1.2, radius * 0.18);
    if (own) {
      context.strokeStyle = colors.accentInk;
      context.beginPath();
      context.moveTo(x - arm, y);
      context.lineTo(x - arm * 0.2, y + arm * 0.8);
      context.lineTo(x + arm * 1.1, y - arm * 0.8);
      context.stroke();
    } else if (status === SOLD) {
      context.strokeStyle = colors.mark;
      context.beginPath();
      context.moveTo(x - arm, y - arm);
      context.lineTo(x + arm, y + arm);
      context.moveTo(x + arm, y - arm);
      context.lineTo(x - arm, y + arm);
      context.stroke();
    } else if (status === HELD) {
      context.fillStyle = colors.mark;
      context.beginPath();
      context.arc(x, y, radius * 0.3, 0, TURN);
      context.fill();
    } else if (status === FREE && radius * 2.4 >= NUMBERS_PX) {
      context.fillStyle = colors.map;
      context.font = `600 ${Math.round(radius * (layout.accessible[seat] ? 0.75 : 0.85))}px ${colors.font}`;
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.fillText(layout.accessible[seat] ? `♿${layout.numbers[seat]}` : layout.numbers[seat], x, y + 0.5);
    }
  }

  /** @param {Layout} layout @param {Camera} camera */
  _sectionNames(layout, camera) {
    const context = this._context;
    context.font = `600 12px ${this.colors.font}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const section of layout.sections) {
      const width = (section.bounds.right - section.bounds.left) * camera.scale;
      const text = context.measureText(section.name).width;
      if (text > Math.max(width, 34)) continue;
      const x = section.x * camera.scale + camera.x;
      const y = section.y * camera.scale + camera.y;
      context.globalAlpha = 0.85;
      context.fillStyle = this.colors.map;
      context.beginPath();
      context.roundRect(x - text / 2 - 5, y - 9, text + 10, 18, 6);
      context.fill();
      context.globalAlpha = 1;
      context.fillStyle = this.colors.ink;
      context.fillText(section.name, x, y);
    }
  }

  /** @param {Layout} layout @param {Camera} camera @param {number} pitch */
  _rowNames(layout, camera, pitch) {
    const context = this._context;
    context.font = `600 ${Math.min(15, Math.round(pitch * 0.5))}px ${this.colors.font}`;
    context.fillStyle = this.colors.soft;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const row of layout.rows) {
      const seat = row.seats[0];
      const x = layout.x[seat] * camera.scale + camera.x - pitch;
      const y = layout.y[seat] * camera.scale + camera.y;
      if (x > -20 && y > -20 && x < camera.width + 20 && y < camera.height + 20) context.fillText(row.name, x, y);
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {Layout} layout */
  _shapes(context, layout) {
    for (const shape of layout.shapes) {
      const [[x, y] = [0, 0], [a, b] = [0, 0]] = shape.points;
      context.save();
      context.translate(x, y);
      context.rotate((shape.rotation * Math.PI) / 180);
      context.fillStyle = shape.color || this.colors.shape;
      context.strokeStyle = shape.border || this.colors.line;
      context.lineWidth = layout.pitch * 0.08;
      context.beginPath();
      if (shape.kind === "circle" || shape.kind === "ellipse") context.ellipse(0, 0, a, b || a, 0, 0, TURN);
      else if (shape.kind === "rectangle") context.rect(0, 0, a, b);
      else if (shape.kind === "polygon") {
        shape.points.forEach(([px, py], n) => (n ? context.lineTo(px - x, py - y) : context.moveTo(0, 0)));
        context.closePath();
      }
      context.fill();
      if (shape.kind !== "text" && shape.border) context.stroke();
      if (shape.text) {
        context.fillStyle = shape.kind === "text" ? shape.color || this.colors.soft : this.colors.ink;
        context.font = `600 ${b || layout.pitch}px ${this.colors.font}`;
        context.textAlign = "center";
        context.textBaseline = "middle";
        context.fillText(shape.text, 0, 0);
      }
      context.restore();
    }
  }
}
