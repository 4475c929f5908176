/**
 * The texts of a plan: those that stand alone, and those on areas. Where each is at a scale, and how large. Pure.
 *
 * @import { Layout } from "../layout.js"
 * @import { Rect, Shape } from "../types.js"
 */
import { shapeBounds } from "../geometry.js";

/** The largest, the smallest and, on an area, the smallest size in CSS pixels. */
const [MOST, LEAST, LEAST_ON_AREA] = [36, 7, 10];
/** A text that would be smaller is left out, unless it is on an area. */
const TOO_SMALL = 5;
/** The part of an area's width that its text may take. */
const FITS = 0.96;
/** Estimated widths of a letter, as parts of the size: at least, at most. */
const [NARROW, WIDE] = [0.45, 0.75];

/**
 * @typedef {object} PlanText
 * @property {string} text as it is shown
 * @property {string} color "" for none
 * @property {number} rotation degrees
 * @property {[number, number]} at its middle, units of the plan
 * @property {number} tall units of the plan
 * @property {number} room the width that it may take, units of the plan
 */

/** The text of one shape, null where it has none. @param {Shape} shape @param {number} pitch of the layout @param {(name: string) => string} name @returns {PlanText | null} */
export function textOf(shape, pitch, name) {
  const { kind, color, rotation, points } = shape;
  const text = name(shape.text);
  if (!text) return null;
  if (kind === "text") return { text, color, rotation, at: points[0], tall: points[1]?.[1] || pitch, room: Infinity };
  const { left, top, right, bottom } = shapeBounds({ ...shape, rotation: 0 }, pitch);
  const at = /** @type {[number, number]} */ ([(left + right) / 2, (top + bottom) / 2]);
  return { text, color: "", rotation: 0, at, tall: pitch * 0.7, room: (right - left) * FITS };
}

/** @param {Layout} layout @param {(name: string) => string} name @returns {PlanText[]} */
export function planTexts({ shapes, pitch }, name) {
  return shapes.map((shape) => textOf(shape, pitch, name)).filter((text) => text !== null);
}

/** The size of a text, CSS pixels; 0 for one that is too small to be painted. @param {PlanText} text @param {number} scale CSS pixels per unit of the plan */
export function textSize({ tall, room }, scale) {
  const alone = room === Infinity;
  const size = Math.min(tall * scale, MOST);
  return alone && size < TOO_SMALL ? 0 : Math.max(size, alone ? LEAST : LEAST_ON_AREA);
}

/**
 * Where a text may be painted, CSS pixels from the plan's corner: rather too large than too small, as nothing is measured.
 * One that stands alone has its place even while it is too small: it says what is there, such as the stage.
 * @param {PlanText} text @param {number} scale @returns {Rect | null} null where there is no room for it on its area
 */
export function textBox(text, scale) {
  const size = textSize(text, scale) || LEAST;
  if (NARROW * size * text.text.length > text.room * scale) return null;
  const turn = (text.rotation * Math.PI) / 180;
  const [sin, cos] = [Math.abs(Math.sin(turn)), Math.abs(Math.cos(turn))];
  const [wide, high] = [(WIDE * size * text.text.length) / 2, (1.2 * size) / 2];
  const [x, y] = [text.at[0] * scale, text.at[1] * scale];
  const [across, down] = [wide * cos + high * sin, wide * sin + high * cos];
  return { left: x - across, right: x + across, top: y - down, bottom: y + down };
}
