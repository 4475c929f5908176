/**
 * The edges of the map when it is zoomed in: at the left the names of rows whose ends are out of sight, at the top the
 * section in the middle of the view. They are strips of their own, so that no name lies on a seat.
 *
 * @import { Camera } from "./camera.js"
 * @import { Layout } from "../layout.js"
 */
import { h } from "../../app/dom.js";

/** With smaller seats (CSS pixels) rows are not named, and sections have labels. */
const LEAST = 11;
/** The least distance of two names in a strip, CSS pixels. */
const APART = 12;
/** Longer names have no room. */
const LONGEST = 4;
/** The strips' widths, CSS pixels, as in `styles.js`. */
const STRIP = 24;

export class Ruler {
  /** @param {Camera} camera */
  constructor(camera) {
    this._camera = camera;
    this._rows = h("div", { class: "ruler-rows" });
    this._section = h("div", { class: "ruler-section" });
    this.element = h("div", { class: "ruler", "aria-hidden": "true" }, this._rows, this._section);
    this._drawn = "";
  }

  /** @param {Layout} layout @param {number} size of a seat on the screen */
  frame(layout, size) {
    const names = size < LEAST ? [] : this._hiddenNames(layout);
    const section = size < LEAST || layout.sections.length < 2 ? "" : this._sectionInView(layout);
    const drawn = `${section}|${names.map(({ text, at }) => `${text}@${at}`).join()}`;
    if (drawn === this._drawn) return;
    this._drawn = drawn;
    this._section.hidden = !section;
    this._section.textContent = section;
    this._rows.hidden = !names.length;
    this._rows.replaceChildren(
      ...names.map(({ text, at }) => {
        const name = h("span", {}, text);
        name.style.transform = `translateY(${at}px)`;
        return name;
      }),
    );
  }

  /** Names of rows in sight that are written nowhere in sight. @param {Layout} layout @returns {{text: string, at: number}[]} */
  _hiddenNames(layout) {
    const { view, scale, y } = this._camera;
    const seen = new Set(layout.rowNames.filter((name) => inside(name, view)).map(({ row }) => row));
    /** @type {Map<number, number>} row -> its first seat in sight */
    const first = new Map();
    layout.spatial.each(view, (seat) => {
      const row = layout.row[seat];
      if (seen.has(row) || !inside({ x: layout.x[seat], y: layout.y[seat] }, view)) return;
      const before = first.get(row);
      if (before === undefined || layout.x[seat] < layout.x[before]) first.set(row, seat);
    });
    const found = [...first]
      .filter(([row]) => layout.rows[row].names !== "none")
      .map(([row, seat]) => {
        const { label, name } = layout.rows[row];
        return { text: label && label.length <= LONGEST ? label : name, at: layout.y[seat] * scale + y };
      })
      .filter(({ text, at }) => text && text.length <= LONGEST && at > STRIP)
      .sort((a, b) => a.at - b.at);
    /** @type {{text: string, at: number}[]} */
    const names = [];
    for (const { text, at } of found) {
      const last = names[names.length - 1];
      if (!last || at - last.at >= APART) names.push({ text, at: Math.round(at) });
    }
    return names;
  }

  /** The section of the seat nearest to the middle of the view. @param {Layout} layout */
  _sectionInView(layout) {
    const { view } = this._camera;
    const middle = { x: (view.left + view.right) / 2, y: (view.top + view.bottom) / 2 };
    let [best, least] = [-1, Infinity];
    layout.spatial.each(view, (seat) => {
      const far = Math.hypot(layout.x[seat] - middle.x, layout.y[seat] - middle.y);
      if (far < least) [best, least] = [seat, far];
    });
    return best < 0 ? "" : layout.sections[layout.section[best]].title;
  }
}

/** @param {{x: number, y: number}} point @param {import("../types.js").Rect} view */
function inside({ x, y }, view) {
  return x >= view.left && x <= view.right && y >= view.top && y <= view.bottom;
}
