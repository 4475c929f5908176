/**
 * The sections of a plan. Pure.
 *
 * @import { Rect } from "./types.js"
 */
import { extend, noBox } from "./geometry.js";

export class Section {
  /** @param {string} name */
  constructor(name) {
    this.name = name;
    /** The name in the language of the map. */
    this.title = name;
    /** Seats in it. */
    this.count = 0;
    /** Around the centres of its seats. @type {Rect} */
    this.bounds = { left: 0, top: 0, right: 0, bottom: 0 };
    /** The middle. */
    this.x = 0;
    this.y = 0;
    /** Indices into `Layout.rows`, front to back. @type {number[]} */
    this.rows = [];
    /** Indices into `Layout.categories` of its seats. @type {number[]} */
    this.categories = [];
    /** Its rows that are not listed, by name: indices into `Layout.rows`. @type {Map<string, number>} */
    this.named = new Map();
  }

  /** Find out count, bounds and categories from its rows. @param {import("./rows.js").Row[]} all rows of the plan, measured */
  measure(all) {
    this.count = 0;
    /** @type {Set<number>} */
    const categories = new Set();
    const box = noBox();
    for (const n of this.rows) {
      const row = all[n];
      this.count += row.count;
      for (const category of row.categories) categories.add(category);
      extend(box, row.box);
    }
    this.categories = [...categories].sort((a, b) => a - b);
    this.bounds = box;
    this.x = (box.left + box.right) / 2;
    this.y = (box.top + box.bottom) / 2;
    if (!this.count) throw new Error(`section ${this.name} has no seats`);
  }
}
