/**
 * Decides what part of the plan the camera shows: the whole plan until the viewer moves the map, then what the viewer
 * asked for. Nothing of the DOM.
 *
 * @import { Camera } from "./camera.js"
 * @import { Layout } from "../layout.js"
 */

/** Sizes of a seat on the screen, CSS pixels. */
const READABLE_PX = 17;
const REVEALED_PX = 30;
const LARGEST_FIT_PX = 44;
const LARGEST_PX = 64;
/** From the smallest scale a seat is at most this large, so that a small hall can be made smaller too. */
const SMALLEST_PX = 12;
/** A seat this near to the edge counts as out of sight. */
const EDGE_PX = 20;

export class Framing {
  /** @param {Camera} camera */
  constructor(camera) {
    this._camera = camera;
    /** @type {Layout | null} */
    this._layout = null;
    /** Whether the viewer has moved the map; until then the whole plan is kept in sight. */
    this.moved = false;
  }

  /** @param {Layout} layout */
  setLayout(layout) {
    this._layout = layout;
    this._camera.bounds = layout.bounds;
    if (!this.moved) this._fit();
  }

  /** Show the whole plan, in a glide. */
  fit() {
    this.moved = false;
    if (this._layout) this._camera.glideTo(this._camera.framing(this._layout.bounds));
  }

  /** Zoom around the middle. @param {number} factor */
  zoomBy(factor) {
    this.moved = true;
    this._camera.glideZoom(this._camera.width / 2, this._camera.height / 2, factor);
  }

  /** The map has another size. @param {number} width CSS pixels @param {number} height */
  resize(width, height) {
    const camera = this._camera;
    if (this.moved) {
      // What was in the middle stays in the middle.
      camera.x += (width - camera.width) / 2;
      camera.y += (height - camera.height) / 2;
    }
    camera.width = width;
    camera.height = height;
    if (!this.moved) this._fit();
  }

  /** Where a seat is, CSS pixels within the map. @param {number} seat */
  place(seat) {
    const { scale, x, y } = this._camera;
    return { x: (this._layout?.x[seat] ?? 0) * scale + x, y: (this._layout?.y[seat] ?? 0) * scale + y };
  }

  /** Bring a seat into sight, large enough to read; does nothing if it is so already. @param {number} seat */
  reveal(seat) {
    const layout = this._layout;
    const camera = this._camera;
    if (!layout) return;
    const readable = layout.seatSize * camera.scale >= READABLE_PX;
    if (readable && this._inSight(seat)) return;
    this.moved = true;
    camera.glideToPoint(layout.x[seat], layout.y[seat], readable ? camera.scale : REVEALED_PX / layout.seatSize);
  }

  /** @param {number} seat */
  _inSight(seat) {
    const { x, y } = this.place(seat);
    const { inset, width, height } = this._camera;
    return (
      x > inset.left + EDGE_PX &&
      x < width - inset.right - EDGE_PX &&
      y > inset.top + EDGE_PX &&
      y < height - inset.bottom - EDGE_PX
    );
  }

  _fit() {
    const layout = this._layout;
    const camera = this._camera;
    if (!layout || !camera.sized) return;
    const { bounds, seatSize } = layout;
    const { scale, x, y } = camera.framing(bounds);
    camera.minScale = Math.min(scale * 0.8, SMALLEST_PX / seatSize);
    camera.maxScale = Math.max(LARGEST_PX / seatSize, scale);
    camera.stop();
    camera.scale = Math.min(scale, LARGEST_FIT_PX / seatSize);
    camera.x = x + ((bounds.left + bounds.right) / 2) * (scale - camera.scale);
    camera.y = y + ((bounds.top + bounds.bottom) / 2) * (scale - camera.scale);
  }
}
