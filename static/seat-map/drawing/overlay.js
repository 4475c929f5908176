/**
 * The layer over the tiles: rings for keyboard and pointer, pins on the viewer's own seats at small scales, and short
 * pulses where others change something. One canvas of the size of the map, drawn only when there is something to draw.
 *
 * @import { Camera } from "./camera.js"
 * @import { Layout } from "../layout.js"
 * @import { Palette } from "./palette.js"
 */

const PULSE_MS = 700;
/** Pulses alone are drawn in every second frame: the canvas is as large as the map. */
const DRAW_EVERY_MS = 30;
/** With more changes than this at once there are no pulses: the seats themselves show the change. */
const MAX_PULSES = 48;
/** With more seats of one's own there are no pins: they would cover the plan, and the seats have a colour of their own. */
const MAX_PINS = 60;

export class Overlay {
  /** @param {HTMLCanvasElement} canvas @param {Camera} camera @param {() => void} wake */
  constructor(canvas, camera, wake) {
    this._canvas = canvas;
    this._context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this._camera = camera;
    this._wake = wake;
    /** @type {Map<number, number>} seat -> when it was first drawn, 0 for not yet */
    this._pulses = new Map();
    this._drawnAt = 0;
    this.focus = -1;
    this.hover = -1;
    /** A chosen seat that somebody else took; -1 once the callout about it is closed. */
    this.lost = -1;
    this.focusVisible = false;
    /** @type {Iterable<number>} */
    this.own = [];
  }

  /** @param {number[]} seats @param {Layout} layout */
  pulse(seats, layout) {
    if (this._camera.still || seats.length > MAX_PULSES) return;
    const { view } = this._camera;
    for (const seat of seats) {
      if (this._pulses.size >= MAX_PULSES) break;
      const [x, y] = [layout.x[seat], layout.y[seat]];
      if (x > view.left && x < view.right && y > view.top && y < view.bottom) this._pulses.set(seat, 0);
    }
    if (this._pulses.size) this._wake();
  }

  /** While the map moves there are no pulses: they would be drawn again in each frame. */
  moved() {
    this._pulses.clear();
  }

  /** @param {number} width @param {number} height */
  resize(width, height) {
    const dpr = Math.min(2.5, devicePixelRatio || 1);
    this._canvas.width = Math.round(width * dpr);
    this._canvas.height = Math.round(height * dpr);
    this._context.setTransform(dpr, 0, 0, dpr, 0, 0);
  }

  /** @param {Layout} layout @param {Palette} palette @param {number} size of a seat on the screen */
  frame(layout, palette, size) {
    const pinned = size < 12 ? [...this.own] : [];
    const own = pinned.length > MAX_PINS ? [] : pinned;
    const rings = [this.lost, this.hover, this.focusVisible ? this.focus : -1].filter((seat) => seat >= 0);
    if (!own.length && !rings.length && !this._pulses.size) {
      this._canvas.hidden = true;
      return;
    }
    const now = performance.now();
    if (!own.length && !rings.length && now < this._drawnAt + DRAW_EVERY_MS) return this._wake();
    this._drawnAt = now;
    this._canvas.hidden = false;
    this._context.clearRect(0, 0, this._canvas.width, this._canvas.height);
    const c = this._context;
    this._drawPulses(layout, palette, size);
    for (const seat of own) this._pin(layout, palette, seat);
    for (const seat of rings) {
      const { x, y } = this._at(layout, seat);
      const side = Math.max(size, 8) + 7;
      c.beginPath();
      c.roundRect(x - side / 2, y - side / 2, side, side, side * 0.32);
      c.lineWidth = seat === this.focus ? 5 : 3;
      c.strokeStyle = palette.bg;
      c.stroke();
      c.lineWidth = seat === this.focus ? 3 : 1.5;
      c.strokeStyle = palette.ink;
      c.stroke();
    }
  }

  /** @param {Layout} layout @param {Palette} palette @param {number} size */
  _drawPulses(layout, palette, size) {
    const c = this._context;
    const now = performance.now();
    for (const [seat, begun] of this._pulses) {
      // A pulse begins when it is first drawn, so a busy moment does not swallow it.
      if (!begun) this._pulses.set(seat, now);
      const t = begun ? (now - begun) / PULSE_MS : 0;
      if (t >= 1) {
        this._pulses.delete(seat);
        continue;
      }
      const { x, y } = this._at(layout, seat);
      c.beginPath();
      c.arc(x, y, Math.max(4, size * 0.55) + t * Math.max(7, size * 0.4), 0, Math.PI * 2);
      c.globalAlpha = 0.5 * (1 - t);
      c.lineWidth = 2;
      c.strokeStyle = palette.ink;
      c.stroke();
    }
    c.globalAlpha = 1;
    if (this._pulses.size) this._wake();
  }

  /** @param {Layout} layout @param {Palette} palette @param {number} seat */
  _pin(layout, palette, seat) {
    const { x, y } = this._at(layout, seat);
    const c = this._context;
    c.beginPath();
    c.arc(x, y - 15, 8, Math.PI * 0.8, Math.PI * 0.2);
    c.lineTo(x, y);
    c.closePath();
    c.fillStyle = palette.own;
    c.fill();
    c.lineWidth = 2;
    c.strokeStyle = palette.ownInk;
    c.stroke();
    c.beginPath();
    c.arc(x, y - 15, 2.5, 0, Math.PI * 2);
    c.fillStyle = palette.ownInk;
    c.fill();
  }

  /** @param {Layout} layout @param {number} seat */
  _at(layout, seat) {
    return {
      x: layout.x[seat] * this._camera.scale + this._camera.x,
      y: layout.y[seat] * this._camera.scale + this._camera.y,
    };
  }
}
