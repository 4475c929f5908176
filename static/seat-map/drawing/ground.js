/**
 * What lies under the seats: the background, and the plan's shapes (stage, screen, walls) with their texts.
 *
 * @import { Scene } from "./painter.js"
 * @import { Rect, Shape } from "../types.js"
 */
import { shapeBounds, touches } from "../geometry.js";

const DEGREE = Math.PI / 180;

export class Ground {
  /** @param {Scene} scene @param {number} k device pixels per unit of the plan @param {number} dpr device pixels per CSS pixel */
  constructor(scene, k, dpr) {
    this._scene = scene;
    this._k = k;
    this._dpr = dpr;
    this._boxes = scene.layout.shapes.map((shape) => shapeBounds(shape, scene.layout.pitch));
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
