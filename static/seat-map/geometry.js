/**
 * Rectangles of the seating plan. Pure.
 *
 * @import { Rect, Shape } from "./types.js"
 */

/** Whether two rectangles overlap or touch. @param {Rect} a @param {Rect} b */
export function touches(a, b) {
  return a.left <= b.right && a.right >= b.left && a.top <= b.bottom && a.bottom >= b.top;
}

/**
 * The rectangle around a shape. For a rotated shape it is larger than necessary, never smaller.
 * @param {Shape} shape
 * @param {number} pitch
 * @returns {Rect}
 */
export function shapeBounds(shape, pitch) {
  const [first = [0, 0], second = [0, 0]] = shape.points;
  let box;
  if (shape.kind === "circle" || shape.kind === "ellipse") {
    box = {
      left: first[0] - second[0],
      right: first[0] + second[0],
      top: first[1] - second[1],
      bottom: first[1] + second[1],
    };
  } else if (shape.kind === "rectangle") {
    box = { left: first[0], top: first[1], right: first[0] + second[0], bottom: first[1] + second[1] };
  } else if (shape.kind === "text") {
    const size = second[1] || pitch;
    const half = (shape.text.length + 1) * size * 0.4;
    // Generously, for it may be turned.
    return {
      left: first[0] - half,
      right: first[0] + half,
      top: first[1] - (shape.rotation ? half : size),
      bottom: first[1] + (shape.rotation ? half : size),
    };
  } else {
    const xs = shape.points.map((p) => p[0]);
    const ys = shape.points.map((p) => p[1]);
    box = { left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) };
  }
  if (!shape.rotation) return box;
  const radius = Math.hypot(box.right - box.left, box.bottom - box.top);
  return { left: box.left - radius, right: box.right + radius, top: box.top - radius, bottom: box.bottom + radius };
}

/** @returns {Rect} a rectangle to be extended */
export function noBox() {
  return { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
}

/** @param {Rect} box @param {Rect} by */
export function extend(box, by) {
  box.left = Math.min(box.left, by.left);
  box.top = Math.min(box.top, by.top);
  box.right = Math.max(box.right, by.right);
  box.bottom = Math.max(box.bottom, by.bottom);
}
