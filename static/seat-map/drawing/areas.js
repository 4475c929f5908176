/**
 * The colours in which the plan's areas and texts are painted: those of the plan, adapted so that seats and texts on them
 * can be seen, and to the dark theme. Pure.
 *
 * @import { Layout } from "../layout.js"
 * @import { Palette } from "./palette.js"
 * @import { Shape } from "../types.js"
 */
import { shapeBounds } from "../geometry.js";
import { contrast, contrasting, hex, luminance, parse } from "./palette.js";

/** An area with seats on it differs from the background by this contrast at most. */
export const GROUND_CONTRAST = 1.15;
const TEXT_CONTRAST = 4.5;
/** From this height of 24 pixels on, text may have less contrast (WCAG 1.4.3). */
const LARGE_TEXT_CONTRAST = 3;
/** How many seats are looked at to find the areas with seats. */
const SAMPLE = 4000;

/** @typedef {{fill: string, line: string, solid: [number, number, number], alpha: number}} Tone `fill` is "" for none */

/** The areas with seats of each layout, as of so many seats: pictures at all scales need them. @type {WeakMap<Layout, {count: number, areas: Set<number>}>} */
const carryingOf = new WeakMap();

/**
 * @param {Layout} layout
 * @param {Palette} palette
 * @returns {(Tone | null)[]} by shape; null for texts
 */
export function toneAreas(layout, palette) {
  const known = carryingOf.get(layout);
  const carrying = known?.count === layout.count ? known.areas : areasWithSeats(layout);
  carryingOf.set(layout, { count: layout.count, areas: carrying });
  return layout.shapes.map((shape, n) => (shape.kind === "text" ? null : tone(shape, palette, carrying.has(n))));
}

/** @param {Shape} shape @param {Palette} palette @param {boolean} carries seats @returns {Tone} */
function tone(shape, palette, carries) {
  const dark = luminance(parse(palette.bg)) < 0.4;
  const own = shape.color ? (dark ? darkened(parse(shape.color)) : parse(shape.color)) : parse(palette.shape);
  const solid = carries ? subdued(own, palette.bg) : own;
  const alpha = alphaOf(shape.color);
  const fill = alpha ? css(solid, alpha) : "";
  const border = dark ? darkened(parse(shape.border)) : parse(shape.border);
  const line = shape.border
    ? alphaOf(shape.border)
      ? css(parse(contrasting(hex(border), palette.bg, 1.5)), alphaOf(shape.border))
      : ""
    : palette.line;
  return { fill, line, solid, alpha };
}

/**
 * The colour of a text: its own, moved until it can be read on what is below it.
 * @param {Layout} layout
 * @param {Palette} palette
 * @param {(Tone | null)[]} tones
 * @param {string} color "" for none
 * @param {[number, number]} at
 * @param {boolean} large
 */
export function textColor(layout, palette, tones, color, at, large) {
  const ground = colorAt(layout, palette, tones, at);
  return contrasting(
    color && alphaOf(color) ? color : palette.shapeInk,
    ground,
    large ? LARGE_TEXT_CONTRAST : TEXT_CONTRAST,
  );
}

/** What is painted at a point, without seats. @param {Layout} layout @param {Palette} palette @param {(Tone | null)[]} tones @param {[number, number]} at @returns {string} */
export function colorAt({ shapes }, palette, tones, [x, y]) {
  let rgb = parse(palette.bg);
  shapes.forEach((shape, n) => {
    const over = tones[n];
    if (!over?.fill || !contains(shape, x, y)) return;
    rgb = /** @type {[number, number, number]} */ (rgb.map((v, k) => v + (over.solid[k] - v) * over.alpha));
  });
  return hex(rgb);
}

/** Indices of the areas that are the topmost below some seat. @param {Layout} layout @returns {Set<number>} */
function areasWithSeats({ shapes, count, x, y }) {
  /** @type {Set<number>} */
  const found = new Set();
  const areas = shapes
    .map((shape, n) => ({ shape, n, box: shapeBounds(shape, 1) }))
    .filter(({ shape }) => shape.kind !== "text" && alphaOf(shape.color))
    .reverse();
  if (!areas.length) return found;
  const step = Math.max(1, Math.floor(count / SAMPLE));
  for (let seat = 0; seat < count; seat += step) {
    const sx = x[seat];
    const sy = y[seat];
    for (let n = 0; n < areas.length; n++) {
      const { shape, box } = areas[n];
      if (sx < box.left || sx > box.right || sy < box.top || sy > box.bottom || !contains(shape, sx, sy)) continue;
      found.add(areas[n].n);
      break;
    }
  }
  return found;
}

/** Whether a point is within an area. @param {Shape} shape @param {number} x @param {number} y */
export function contains(shape, x, y) {
  const [[cx = 0, cy = 0] = [], [w = 0, h = 0] = []] = shape.points;
  if (shape.kind === "polygon") {
    let within = false;
    const { points } = shape;
    for (let n = 0, before = points.length - 1; n < points.length; before = n++) {
      const [[ax, ay], [bx, by]] = [points[n], points[before]];
      if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) within = !within;
    }
    return within;
  }
  const turn = (-shape.rotation * Math.PI) / 180;
  const dx = (x - cx) * Math.cos(turn) - (y - cy) * Math.sin(turn);
  const dy = (x - cx) * Math.sin(turn) + (y - cy) * Math.cos(turn);
  if (shape.kind === "rectangle") return dx >= 0 && dx <= w && dy >= 0 && dy <= h;
  return w > 0 && (dx / w) ** 2 + (dy / (h || w)) ** 2 <= 1;
}

/** Opacity of a colour in hex, 0 to 1; 1 without one. @param {string} color */
function alphaOf(color) {
  return color.length === 9 ? Number.parseInt(color.slice(7), 16) / 255 : 1;
}

/** @param {[number, number, number]} rgb @param {number} alpha */
function css(rgb, alpha) {
  return alpha >= 1 ? hex(rgb) : `rgb(${rgb.map(Math.round).join(" ")} / ${alpha.toFixed(3)})`;
}

/** A colour for the dark theme: light ones become dark and the other way round, within a middle range. @param {[number, number, number]} rgb @returns {[number, number, number]} */
function darkened(rgb) {
  const [most, least] = [Math.max(...rgb) / 255, Math.min(...rgb) / 255];
  const light = (most + least) / 2;
  const wanted = 0.2 + 0.42 * (1 - light);
  // The hue stays: the parts keep their distances from the middle, as far as there is room for them.
  const room = Math.min(wanted, 1 - wanted) / Math.max(0.001, (most - least) / 2);
  const spread = Math.min(1, room);
  return /** @type {[number, number, number]} */ (rgb.map((v) => (wanted + (v / 255 - light) * spread) * 255));
}

/** A colour moved towards the background until seats on it can be seen. @param {[number, number, number]} rgb @param {string} bg @returns {[number, number, number]} */
function subdued(rgb, bg) {
  const ground = parse(bg);
  let mixed = rgb;
  for (let n = 0; n < 40 && contrast(hex(mixed), bg) > GROUND_CONTRAST; n++) {
    mixed = /** @type {[number, number, number]} */ (mixed.map((v, k) => v + (ground[k] - v) * 0.12));
  }
  return mixed;
}
