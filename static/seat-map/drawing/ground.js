/**
 * What lies under the seats: the background, and the plan's shapes (stage, screen, walls) with their texts.
 *
 * @import { Scene } from "./painter.js"
 * @import { Rect, Shape } from "../types.js"
 * @import { PlanText } from "./plan-texts.js"
 */
import { shapeBounds, touches } from "../geometry.js";
import { textColor, toneAreas } from "./areas.js";
import { textOf, textSize } from "./plan-texts.js";

const DEGREE = Math.PI / 180;
/** Text of this size (CSS pixels) may have less contrast. */
const LARGE = 24;

export class Ground {
  /** @param {Scene} scene @param {number} k device pixels per unit of the plan @param {number} dpr device pixels per CSS pixel */
  constructor(scene, k, dpr) {
    this._scene = scene;
    this._k = k;
    this._dpr = dpr;
    this._boxes = scene.layout.shapes.map((shape) => shapeBounds(shape, scene.layout.pitch));
    this._tones = toneAreas(scene.layout, scene.palette);
    this._texts = scene.layout.shapes.map((shape) => textOf(shape, scene.layout.pitch, scene.name));
  }

  /** A colour that can be read at a point, as near to this one as possible. @param {string} color @param {[number, number]} at @param {boolean} large */
  readable(color, at, large = false) {
    const { layout, palette } = this._scene;
    return textColor(layout, palette, this._tones, color, at, large);
  }

  /**
   * Paint the ground of a tile.
   * @param {CanvasRenderingContext2D} context
   * @param {number} left device pixels of the tile's corner in the whole picture
   * @param {number} top
   * @param {Rect} area the tile, in units of the plan
   * @returns {boolean} false when it is the background alone
   */
  paint(context, left, top, area) {
    context.fillStyle = this._scene.palette.bg;
    context.fillRect(0, 0, context.canvas.width, context.canvas.height);
    const near = this._scene.layout.shapes
      .map((shape, n) => ({ shape, n }))
      .filter(({ n }) => touches(this._boxes[n], area));
    // Texts come last, so that no area covers them.
    for (const { shape, n } of near) if (shape.kind !== "text") this._shape(context, shape, n, left, top);
    for (const { n } of near) if (this._texts[n]) this._text(context, this._texts[n], left, top);
    return near.length > 0;
  }

  /** @param {CanvasRenderingContext2D} context @param {Shape} shape @param {number} n @param {number} left @param {number} top */
  _shape(context, shape, n, left, top) {
    const k = this._k;
    const { layout } = this._scene;
    const tone = /** @type {import("./areas.js").Tone} */ (this._tones[n]);
    const [[x = 0, y = 0] = [], [w = 0, h = 0] = []] = shape.points;
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
    } else {
      for (const [px, py] of shape.points) context.lineTo(px, py);
      context.closePath();
    }
    if (tone.fill) {
      context.fillStyle = tone.fill;
      context.fill();
    }
    if (tone.line) {
      context.lineWidth = this._dpr / k;
      context.strokeStyle = tone.line;
      context.stroke();
    }
    context.restore();
  }

  /** @param {CanvasRenderingContext2D} context @param {PlanText} text @param {number} left @param {number} top */
  _text(context, text, left, top) {
    const size = textSize(text, this._k / this._dpr);
    if (!size) return;
    context.font = `600 ${Math.round(size * this._dpr)}px ${this._scene.palette.font}`;
    if (context.measureText(text.text).width > text.room * this._k) return;
    const [x, y] = text.at;
    context.save();
    context.translate(x * this._k - left, y * this._k - top);
    context.rotate(text.rotation * DEGREE);
    context.fillStyle = this.readable(text.color, text.at, size >= LARGE);
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(text.text, 0, 0);
    context.restore();
  }
}
