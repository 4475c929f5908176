/**
 * The whole plan on one small canvas below the tiles. It shows where the view moves faster than tiles can be painted;
 * it is hidden, and not updated, while the tiles cover the view.
 *
 * @import { Camera } from "./camera.js"
 * @import { Scene } from "./painter.js"
 */
import { Painter } from "./painter.js";
import { makeBrush, Sheet } from "./sheet.js";

/** The longest side, pixels; the picture is only visible stretched and for a moment. */
const MAX_SIDE = 1400;
/** With more changes than this, repainting everything is cheaper than patching. */
const MAX_PATCHES = 400;

export class WholePlan {
  /** @param {Scene} scene @param {Camera} camera */
  constructor(scene, camera) {
    this._scene = scene;
    this._camera = camera;
    const { bounds } = scene.layout;
    const side = Math.max(bounds.right - bounds.left, bounds.bottom - bounds.top) || 1;
    this.scale = Math.min(MAX_SIDE / side, Math.max(camera.framing(bounds).scale, 300 / side));
    this.pane = document.createElement("div");
    this.pane.className = "pane";
    this.pane.hidden = true;
    const width = Math.ceil((bounds.right - bounds.left) * this.scale) || 1;
    const height = Math.ceil((bounds.bottom - bounds.top) * this.scale) || 1;
    this._sheet = new Sheet(makeBrush(width, height));
    this.pane.append(this._sheet.canvas);
    /** @type {Painter | null} created when it is first needed */
    this._painter = null;
    /** @type {Set<number> | null} null: everything */
    this._dirty = null;
  }

  remove() {
    this.pane.remove();
  }

  /** @param {Iterable<number>} seats */
  change(seats) {
    if (!this._dirty) return;
    for (const seat of seats) this._dirty.add(seat);
    if (this._dirty.size > MAX_PATCHES) this._dirty = null;
  }

  /** @param {boolean} wanted whether it is visible in this frame */
  frame(wanted) {
    if (this.pane.hidden === wanted) this.pane.hidden = !wanted;
    if (!wanted) return;
    const { bounds } = this._scene.layout;
    const { scale, x, y } = this._camera;
    this.pane.style.transform = `translate(${bounds.left * scale + x}px, ${bounds.top * scale + y}px) scale(${scale / this.scale})`;
    this.paint();
  }

  /** Paint what is not painted yet, so that it can be shown at once. */
  paint() {
    if (this._dirty?.size === 0) return;
    this._painter ??= new Painter(this._scene, this.scale, 1);
    const { _painter: painter } = this;
    const { bounds } = this._scene.layout;
    const [left, top] = [bounds.left * this.scale, bounds.top * this.scale];
    // Patches do not restore the shapes under a dot; at this size that is not visible, and the next full painting does.
    this._sheet.draw((context) => {
      if (this._dirty) for (const seat of this._dirty) painter.patch(context, null, left, top, seat);
      else painter.paint(context, left, top, bounds);
    }, !!this._dirty);
    this._dirty = new Set();
  }
}
