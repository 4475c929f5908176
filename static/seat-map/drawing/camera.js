/**
 * The part of the plan that the viewer sees: a scale and an offset, kept within bounds, changed at once or in a short
 * glide. screen = plan * scale + offset, in CSS pixels of the element. Pure except for `requestAnimationFrame`.
 *
 * @import { Rect } from "../types.js"
 */

const GLIDE_MS = 260;

export class Camera {
  /** @param {() => void} moved called after each change */
  constructor(moved) {
    this._moved = moved;
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.width = 1;
    this.height = 1;
    this.minScale = 0.001;
    this.maxScale = 1000;
    /** @type {Rect} */
    this.bounds = { left: 0, top: 0, right: 1, bottom: 1 };
    /** The margin around the plan, CSS pixels. */
    this.inset = { left: 16, top: 16, right: 16, bottom: 16 };
    this.still = false;
    this._glide = 0;
  }

  /** Whether a glide is in progress. */
  get gliding() {
    return this._glide !== 0;
  }

  /** Whether the size of the map is known. */
  get sized() {
    return this.width > 1;
  }

  /** The part of the plan in sight. @returns {Rect} */
  get view() {
    return {
      left: -this.x / this.scale,
      top: -this.y / this.scale,
      right: (this.width - this.x) / this.scale,
      bottom: (this.height - this.y) / this.scale,
    };
  }

  /** The scale and offset that show `area` whole. @param {Rect} area */
  framing(area) {
    const { inset } = this;
    const room = {
      w: Math.max(40, this.width - inset.left - inset.right),
      h: Math.max(40, this.height - inset.top - inset.bottom),
    };
    const scale = Math.min(room.w / (area.right - area.left || 1), room.h / (area.bottom - area.top || 1));
    return {
      scale,
      x: inset.left + room.w / 2 - ((area.left + area.right) / 2) * scale,
      y: inset.top + room.h / 2 - ((area.top + area.bottom) / 2) * scale,
    };
  }

  /** What is in sight with the plan in the middle, endless where the plan is larger than that. @param {number} scale @returns {Rect} CSS pixels from the plan's corner */
  room(scale) {
    const { bounds, width, height } = this;
    const far = scale > this.framing(bounds).scale * 1.001 ? Infinity : 0.49; // sizes of labels are estimated
    const [x, y] = [((bounds.left + bounds.right) / 2) * scale, ((bounds.top + bounds.bottom) / 2) * scale];
    return { left: x - width * far, right: x + width * far, top: y - height * far, bottom: y + height * far };
  }

  /** @param {number} dx @param {number} dy */
  pan(dx, dy) {
    this.stop();
    this._set(this.scale, this.x + dx, this.y + dy);
  }

  /** Zoom so that the point under (px, py) stays. @param {number} px @param {number} py @param {number} factor */
  zoom(px, py, factor) {
    this.stop();
    const scale = this._bounded(this.scale * factor);
    const by = scale / this.scale;
    this._set(scale, px - (px - this.x) * by, py - (py - this.y) * by);
  }

  /** @param {number} px @param {number} py @param {number} factor */
  glideZoom(px, py, factor) {
    const scale = this._bounded(this.scale * factor);
    const by = scale / this.scale;
    this.glideTo({ scale, x: px - (px - this.x) * by, y: py - (py - this.y) * by });
  }

  /** Bring a point of the plan to the middle at this scale. @param {number} x @param {number} y @param {number} scale */
  glideToPoint(x, y, scale) {
    const to = this._bounded(scale);
    const { inset } = this;
    const middle = {
      x: inset.left + (this.width - inset.left - inset.right) / 2,
      y: inset.top + (this.height - inset.top - inset.bottom) / 2,
    };
    this.glideTo({ scale: to, x: middle.x - x * to, y: middle.y - y * to });
  }

  /** @param {{scale: number, x: number, y: number}} to */
  glideTo(to) {
    this.stop();
    const from = { scale: this.scale, x: this.x, y: this.y };
    if (this.still) {
      this._set(to.scale, to.x, to.y);
      return;
    }
    const begin = performance.now();
    const step = () => {
      const t = Math.min(1, (performance.now() - begin) / GLIDE_MS);
      const ease = 1 - (1 - t) ** 3;
      // A zoom looks steady when the scale grows by equal factors; the point that both views share must not move.
      const scale = from.scale * (to.scale / from.scale) ** ease;
      const part = Math.abs(to.scale - from.scale) < 1e-9 ? ease : (scale - from.scale) / (to.scale - from.scale);
      this._glide = t < 1 ? requestAnimationFrame(step) : 0;
      this._set(scale, from.x + (to.x - from.x) * part, from.y + (to.y - from.y) * part);
    };
    this._glide = requestAnimationFrame(step);
  }

  stop() {
    if (this._glide) cancelAnimationFrame(this._glide);
    this._glide = 0;
  }

  /** @param {number} scale */
  _bounded(scale) {
    return Math.min(this.maxScale, Math.max(this.minScale, scale));
  }

  /** @param {number} scale @param {number} x @param {number} y */
  _set(scale, x, y) {
    this.scale = this._bounded(scale);
    // A part of the plan always stays in sight.
    const { bounds, width, height } = this;
    const keep = Math.min(120, width / 3, height / 3);
    this.x = Math.min(width - keep - bounds.left * this.scale, Math.max(keep - bounds.right * this.scale, x));
    this.y = Math.min(height - keep - bounds.top * this.scale, Math.max(keep - bounds.bottom * this.scale, y));
    this._moved();
  }
}
