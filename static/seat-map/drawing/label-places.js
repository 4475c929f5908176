/**
 * Where the labels of sections lie: on their sections while seats are too small to be told apart, beside them otherwise,
 * and never on a text of the plan or on another label, nor beyond the edge of the map that shows the whole plan. Pure.
 *
 * @import { Layout } from "../layout.js"
 * @import { Section } from "../sections.js"
 * @import { Rect } from "../types.js"
 * @import { PlanText } from "./plan-texts.js"
 */
import { touches } from "../geometry.js";
import { textBox } from "./plan-texts.js";

/** Seats from this size on (CSS pixels) can be told apart: no label lies on them. */
const SEEN = 4;
/** On smaller ones, down to this size, none lies where few sections leave room beside them. */
const SEEN_AS_DOTS = 2.5;
const FEW = 8;
/** The room between a section and a label beside it, CSS pixels. */
const BESIDE_PX = 8;
/** Estimated sizes, CSS pixels: measuring sixty labels in each frame of a zoom would be too slow. */
const LETTER = 6.4;
const SIZES = {
  full: { least: 76, tall: 46 },
  name: { least: 40, tall: 27 },
  gauge: { least: 22, tall: 9 },
  dot: { least: 12, tall: 9 },
};
/** If a smaller share of the names fits, there are gauges only. */
const ENOUGH_NAMES = 0.6;

/** @typedef {keyof typeof SIZES} Form */
/** @typedef {{form: Form | "none", x: number, y: number}} Place CSS pixels from the plan's corner */

/**
 * The form and place of the label of each section. They depend on the scale and the size of the map alone.
 * @param {Layout} layout
 * @param {number} scale
 * @param {number} size of a seat on the screen
 * @param {PlanText[]} texts of the plan
 * @param {Rect} room in which labels lie, CSS pixels from the plan's corner
 * @returns {Place[]}
 */
export function placeLabels(layout, scale, size, texts, room) {
  const { sections } = layout;
  const covers = size < SEEN ? null : layout;
  const written = texts.map((text) => textBox(text, scale)).filter((box) => box !== null);
  if (!covers && size >= SEEN_AS_DOTS && sections.length <= FEW) {
    const aside = fit(sections, ["full"], scale, layout, written, room);
    if (aside.every(({ form }) => form !== "none")) return aside;
  }
  // The most detailed first. All labels with numbers, or none: a mixture looks as if it had a meaning.
  const full = fit(sections, ["full"], scale, covers, written, room);
  if (full.every(({ form }) => form !== "none")) return full;
  const names = fit(sections, ["name", "gauge", "dot"], scale, covers, written, room);
  const named = names.filter(({ form }) => form === "name").length;
  if (covers || named >= sections.length * ENOUGH_NAMES) return names;
  return fit(sections, ["gauge", "dot"], scale, covers, written, room);
}

/**
 * For each section the first of these forms that has room next to the labels before it.
 * @param {Section[]} sections
 * @param {Form[]} way
 * @param {number} scale
 * @param {Layout | null} layout whose seats must not be covered, null for those that are too small to be seen
 * @param {Rect[]} written where texts of the plan are
 * @param {Rect} room
 * @returns {Place[]}
 */
function fit(sections, way, scale, layout, written, room) {
  const taken = [...written];
  return sections.map((section) => {
    for (const form of way) {
      for (const at of layout ? beside(section, form, scale) : inside(section, form, scale, written)) {
        const { left, top, right, bottom } = labelBox(section, form, ...at);
        const x = at[0] + Math.max(0, room.left - left) + Math.min(0, room.right - right);
        const y = at[1] + Math.max(0, room.top - top) + Math.min(0, room.bottom - bottom);
        const place = labelBox(section, form, x, y);
        if (taken.some((other) => touches(place, other)) || (layout && coversSeat(layout, place, scale))) continue;
        taken.push(place);
        return { form, x, y };
      }
    }
    return { form: "none", x: 0, y: 0 };
  });
}

/**
 * Where a label can be placed on its section, CSS pixels: in the middle, or above or below a text that is there.
 * @param {Section} section @param {Form} form @param {number} scale @param {Rect[]} written @returns {[number, number][]}
 */
function inside(section, form, scale, written) {
  const { x, y, bounds } = section;
  const middle = labelBox(section, form, x * scale, y * scale);
  const places = written.some((text) => touches(middle, text)) ? [(y + bounds.top) / 2, (y + bounds.bottom) / 2] : [y];
  return places.map((at) => [x * scale, at * scale]);
}

/**
 * Where a label can be placed without covering a seat, CSS pixels: in the middle of its section, or next to the section.
 * @param {Section} section @param {Form} form @param {number} scale @returns {[number, number][]}
 */
function beside(section, form, scale) {
  const [x, y] = [section.x * scale, section.y * scale];
  const { left, top, right, bottom } = section.bounds;
  const away = SIZES[form].tall / 2 + BESIDE_PX;
  const wide = width(section, form) / 2 + BESIDE_PX;
  return [
    [x, y],
    [x, top * scale - away],
    [x, bottom * scale + away],
    [left * scale - wide, y],
    [right * scale + wide, y],
    // Above its corners: a stage is often above the middle.
    [left * scale + wide - BESIDE_PX, top * scale - away],
    [right * scale - wide + BESIDE_PX, top * scale - away],
  ];
}

/** @param {Layout} layout @param {Rect} place CSS pixels @param {number} scale */
function coversSeat(layout, place, scale) {
  const half = layout.largestSide / 2;
  const area = {
    left: place.left / scale - half,
    right: place.right / scale + half,
    top: place.top / scale - half,
    bottom: place.bottom / scale + half,
  };
  let covers = false;
  layout.spatial.each(area, (seat) => {
    const [x, y] = [layout.x[seat], layout.y[seat]];
    if (x > area.left && x < area.right && y > area.top && y < area.bottom) covers = true;
  });
  return covers;
}

/** @param {Section} section @param {Form} form */
function width(section, form) {
  return Math.max(form === "gauge" || form === "dot" ? 0 : section.title.length * LETTER + 18, SIZES[form].least);
}

/** @param {Section} section @param {Form} form @param {number} x @param {number} y @returns {Rect} CSS pixels from the plan's corner */
export function labelBox(section, form, x, y) {
  const half = width(section, form) / 2;
  const { tall } = SIZES[form];
  return { left: x - half, right: x + half, top: y - tall / 2, bottom: y + tall / 2 };
}
