/**
 * A seating plan in memory: typed arrays by seat index, sections, rows, and an index of the seats of an area. Pure.
 *
 * Seats can be added while they arrive; `index()` then updates everything that is derived from them. Positions are in
 * units of the plan.
 *
 * @import { CodedRow, LayoutHead, ListedRow, Rect, WireSeat } from "./types.js"
 */

import { shapeBounds } from "./geometry.js";
import { rowNames } from "./row-names.js";
import { FULL, measureSpacing, SEAT_SHARE, usualDistance } from "./spacing.js";
import { SpatialIndex } from "./spatial-index.js";

/**
 * @typedef {object} Section
 * @property {string} name
 * @property {number} count seats in it
 * @property {Rect} bounds of the seats' centres
 * @property {number} x the middle
 * @property {number} y the middle
 * @property {number[]} rows indices into `Layout.rows`, front to back
 * @property {number[]} categories indices into `Layout.categories` of its seats
 */

/**
 * @typedef {object} Row
 * @property {string} name
 * @property {number} section index into `Layout.sections`
 * @property {number[]} seats seat indices along the row
 * @property {boolean} wide whether they are in order of their x; else of their y
 * @property {Rect} box around their centres
 * @property {number[]} categories of its seats, perhaps repeated
 * @property {string} label printed in place of "Row name", or ""
 * @property {string} seatLabel printed in place of a seat's number, with %s for it, or ""
 * @property {"both" | "start" | "end" | "none"} names where the map names the row
 * @property {number} block tells it apart from rows of the same name with seats of the same numbers, or 0
 * @property {number[]} radius of its seats: none, one for all or one for each
 */

export class Layout {
  /**
   * @param {LayoutHead} head
   * @param {number} expected how many seats to expect (a hint, not a limit)
   */
  constructor(head, expected = 1024) {
    this.id = head.id;
    this.name = head.name;
    this.size = head.size;
    this.categories = head.categories;
    this.shapes = head.shapes;
    this.count = 0;
    /** Whether all seats have arrived. */
    this.complete = false;
    const room = Math.max(64, expected);
    this.x = new Float32Array(room);
    this.y = new Float32Array(room);
    this.category = new Uint8Array(room);
    this.section = new Uint16Array(room);
    this.row = new Uint32Array(room);
    /** Position of the seat in its row. */
    this.place = new Uint16Array(room);
    this.accessible = new Uint8Array(room);
    /** @type {string[]} */
    this._ids = [];
    /** @type {string[]} */
    this._numbers = [];
    /** @type {Map<string, number>} */
    this._byId = new Map();
    /** Rows whose ids and numbers are not spelt out yet. @type {CodedRow[]} */
    this._unspelt = [];
    /** @type {Section[]} */
    this.sections = [];
    /** @type {Row[]} */
    this.rows = [];
    /** The distance of neighbouring seats. */
    this.pitch = 1;
    /** @type {import("./spacing.js").Spacing | null} */
    this._spacing = null;
    /** @type {Rect} of everything that is drawn */
    this.bounds = { left: 0, top: 0, right: head.size.width || 1, bottom: head.size.height || 1 };
    this.spatial = new SpatialIndex(this, noBox());
    this._categoryOf = new Map(head.categories.map((each, n) => [each.name, n]));
    /** @type {Map<string, number>} */
    this._sectionOf = new Map();
    /** @type {Map<string, number>} */
    this._rowOf = new Map();
    this._listed = head.rows ?? [];
    this._nextListed = 0;
    /** @type {Map<string, number[]> | null} */
    this._typed = null;
    /** @type {import("./row-names.js").RowName[] | null} */
    this._rowNames = null;
  }

  /** The id of each seat. */
  get ids() {
    this._spell();
    return this._ids;
  }

  /** The number of each seat. */
  get numbers() {
    this._spell();
    return this._numbers;
  }

  /** The index of each id. */
  get byId() {
    this._spell();
    for (let n = this._byId.size; n < this._ids.length; n++) this._byId.set(this._ids[n], n);
    return this._byId;
  }

  /** @param {CodedRow[]} rows the next rows in index order */
  addRows(rows) {
    for (const coded of rows) {
      const first = this.count;
      const end = first + coded.count;
      this._reserve(end);
      this.count = end;
      this.x.set(coded.x, first);
      this.y.set(coded.y, first);
      this.category.set(coded.categories, first);
      for (const at of coded.accessible) this.accessible[first + at] = 1;
      const section = this._section(coded.section);
      this.section.fill(section, first, end);
      const listed = coded.listed && { ...coded.listed, first, count: coded.count };
      const row = this._row(section, coded.name, listed);
      this.row.fill(row, first, end);
      const { seats } = this.rows[row];
      for (let seat = first; seat < end; seat++) seats.push(seat);
      this._unspelt.push(coded);
    }
  }

  /** @param {WireSeat[]} seats the next seats in index order */
  add(seats) {
    this._spell();
    this._reserve(this.count + seats.length);
    for (const seat of seats) {
      const n = this.count++;
      this.x[n] = seat.x;
      this.y[n] = seat.y;
      this.category[n] = this._categoryOf.get(seat.category) ?? 0;
      this.accessible[n] = seat.accessible ? 1 : 0;
      this._ids.push(seat.id);
      this._numbers.push(seat.number);
      const section = this._section(seat.section);
      this.section[n] = section;
      const row = this._row(section, seat.row, this._listedRow(n));
      this.row[n] = row;
      this.rows[row].seats.push(n);
    }
  }

  /** Update pitch, rows, sections, bounds and spatial index for the seats that have arrived. */
  index() {
    this._typed = this._rowNames = this._spacing = null;
    for (const row of this.rows) this._measureRow(row);
    this.pitch = usualDistance(this);
    for (const section of this.sections) this._measureSection(section);
    if (this.complete) this.bounds = this._measureBounds();
    this.spatial = new SpatialIndex(this, this._seatBounds());
  }

  /** Measured when it is needed: a plan whose seats are single pixels is painted without it. */
  get spacing() {
    this._spacing ??= measureSpacing(this);
    return this._spacing;
  }

  /** Of each seat, in parts of `FULL`. */
  get sizes() {
    return this.spacing.sizes;
  }

  /** The seats that lie on others, with these others. */
  get lying() {
    return this.spacing.lying;
  }

  /** Whether all seats have about the same size, as far as the plan says. */
  get plain() {
    return this.rows.every(({ radius }) => !radius.length);
  }

  /** The side of a seat as it is drawn, units of the plan. */
  get seatSize() {
    return this.pitch * SEAT_SHARE;
  }

  /** The side of one seat as it is drawn, units of the plan. @param {number} seat */
  side(seat) {
    return (this.seatSize * this.sizes[seat]) / FULL;
  }

  /** The side of the largest seat. */
  get largestSide() {
    return (this.seatSize * this.spacing.largest) / FULL;
  }

  /** The names of rows, where they are written on the map. */
  get rowNames() {
    if (!this._rowNames) {
      this._rowNames = [];
      for (let n = 0; n < this.rows.length; n++) {
        const near = this._rowNames.slice(-64);
        this._rowNames.push(...rowNames(this, n, near));
      }
    }
    return this._rowNames;
  }

  /**
   * Find seats by what a person types: "F12", "f-12", a seat id, or a row alone (its first seat).
   * @param {string} typed
   * @returns {number[]}
   */
  find(typed) {
    this._typed ??= this._typedIndex();
    return this._typed.get(plain(typed)) ?? [];
  }

  /** @param {number} seat @returns {string} the short name: row and number, never empty */
  label(seat) {
    const row = this.rows[this.row[seat]];
    const number = this.number(seat);
    const block = row.block ? ` (${row.block})` : "";
    if (!row.label && !row.name) return number + block;
    return row.label || row.seatLabel ? `${row.label || row.name}, ${number}${block}` : `${row.name}-${number}${block}`;
  }

  /** @param {number} seat @returns {string} its number as it is printed; its id if it has none, or its row has it twice */
  number(seat) {
    const { seats, seatLabel } = this.rows[this.row[seat]];
    const number = this.numbers[seat];
    if (!number) return this.ids[seat];
    const printed = seatLabel ? seatLabel.replace("%s", number) : number;
    const twice = seats.some((other) => other !== seat && this.numbers[other] === number);
    return twice ? `${printed} (${this.ids[seat]})` : printed;
  }

  /** @param {number} seat @returns {string} the section's name, and the block if its rows have seats of equal names */
  sectionName(seat) {
    const { block } = this.rows[this.row[seat]];
    const { name } = this.sections[this.section[seat]];
    return block ? `${name} (${block})` : name;
  }

  // Not while the first seats are awaited: the map is painted without ids.
  _spell() {
    for (const { count, id, number } of this._unspelt) {
      for (let n = 0; n < count; n++) {
        this._ids.push(id(n));
        this._numbers.push(number(n));
      }
    }
    this._unspelt = [];
  }

  /** @param {number} room */
  _reserve(room) {
    if (room <= this.x.length) return;
    const size = Math.max(room, this.x.length * 2);
    for (const name of /** @type {const} */ (["x", "y", "category", "section", "row", "place", "accessible"])) {
      const old = this[name];
      const bigger = new /** @type {any} */ (old.constructor)(size);
      bigger.set(old);
      /** @type {any} */ (this)[name] = bigger;
    }
  }

  /** @param {string} name */
  _section(name) {
    let n = this._sectionOf.get(name);
    if (n === undefined) {
      n = this.sections.length;
      this._sectionOf.set(name, n);
      this.sections.push({
        name,
        count: 0,
        bounds: { left: 0, top: 0, right: 0, bottom: 0 },
        x: 0,
        y: 0,
        rows: [],
        categories: [],
      });
    }
    return n;
  }

  /** @param {number} section @param {string} name @param {ListedRow | null} listed */
  _row(section, name, listed) {
    const key = `${section}\n${name}\n${listed ? listed.first : ""}`;
    let n = this._rowOf.get(key);
    if (n === undefined) {
      n = this.rows.length;
      this._rowOf.set(key, n);
      this.rows.push({
        name,
        section,
        seats: [],
        wide: true,
        box: noBox(),
        categories: [],
        label: listed?.label ?? "",
        seatLabel: listed?.seat_label ?? "",
        names: listed?.names ?? "both",
        block: listed?.block ?? 0,
        radius: listed?.radius ?? [],
      });
      this.sections[section].rows.push(n);
    }
    return n;
  }

  /** The entry of the layout's `rows` for the next seat. @param {number} seat */
  _listedRow(seat) {
    const listed = this._listed;
    while (
      this._nextListed < listed.length &&
      seat >= listed[this._nextListed].first + listed[this._nextListed].count
    ) {
      this._nextListed++;
    }
    const next = listed[this._nextListed];
    return next && seat >= next.first ? next : null;
  }

  /** Sort a row, and measure it. @param {Row} row */
  _measureRow(row) {
    const { x, y, place, category } = this;
    const { seats, box } = row;
    const first = seats[0];
    box.left = box.right = x[first];
    box.top = box.bottom = y[first];
    row.categories = [category[first]];
    place[first] = 0;
    let [byX, byY] = [true, true];
    for (let n = 1; n < seats.length; n++) {
      // No destructuring of pairs here: until it is compiled, each one would make an array.
      const seat = seats[n];
      const before = seats[n - 1];
      place[seat] = n;
      if (category[seat] !== category[before]) row.categories.push(category[seat]);
      const atX = x[seat];
      const atY = y[seat];
      if (atX < x[before]) byX = false;
      if (atY < y[before]) byY = false;
      if (atX < box.left) box.left = atX;
      else if (atX > box.right) box.right = atX;
      if (atY < box.top) box.top = atY;
      else if (atY > box.bottom) box.bottom = atY;
    }
    row.wide = box.right - box.left >= box.bottom - box.top;
    // Nearly all rows are in order already.
    if (row.wide ? byX : byY) return;
    const along = row.wide ? x : y;
    seats.sort((one, other) => along[one] - along[other]);
    for (let n = 0; n < seats.length; n++) place[seats[n]] = n;
  }

  /** @param {Section} section */
  _measureSection(section) {
    section.count = 0;
    /** @type {Set<number>} */
    const categories = new Set();
    const box = noBox();
    for (const n of section.rows) {
      const row = this.rows[n];
      section.count += row.seats.length;
      for (const category of row.categories) categories.add(category);
      extend(box, row.box);
    }
    section.categories = [...categories].sort((a, b) => a - b);
    section.bounds = box;
    section.x = (box.left + box.right) / 2;
    section.y = (box.top + box.bottom) / 2;
    if (!section.count) throw new Error(`section ${section.name} has no seats`);
  }

  /** Around the centres of all seats. */
  _seatBounds() {
    const box = noBox();
    for (const { bounds } of this.sections) extend(box, bounds);
    return box;
  }

  _measureBounds() {
    const { left, top, right, bottom } = this._seatBounds();
    const box = {
      left: left - this.pitch,
      top: top - this.pitch,
      right: right + this.pitch,
      bottom: bottom + this.pitch,
    };
    for (const shape of this.shapes) extend(box, shapeBounds(shape, this.pitch));
    return box.left < box.right ? box : this.bounds;
  }

  _typedIndex() {
    /** @type {Map<string, number[]>} */
    const found = new Map();
    /** @param {string} key @param {number} seat */
    const put = (key, seat) => {
      const list = found.get(key);
      if (!list) found.set(key, [seat]);
      else if (list[list.length - 1] !== seat) list.push(seat);
    };
    for (const row of this.rows) {
      if (row.name) put(plain(row.name), row.seats[0]);
    }
    for (let n = 0; n < this.count; n++) {
      const { name, label } = this.rows[this.row[n]];
      put(plain(name + this.numbers[n]), n);
      if (label) put(plain(label + this.numbers[n]), n);
      put(plain(this.ids[n]), n);
    }
    return found;
  }
}

/** @returns {Rect} a rectangle to be extended */
function noBox() {
  return { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
}

/** @param {Rect} box @param {Rect} by */
function extend(box, by) {
  box.left = Math.min(box.left, by.left);
  box.top = Math.min(box.top, by.top);
  box.right = Math.max(box.right, by.right);
  box.bottom = Math.max(box.bottom, by.bottom);
}

/** @param {string} text @returns {string} letters and digits only, upper case */
export function plain(text) {
  return text.toUpperCase().replace(/[^\p{L}\p{M}\p{N}]+/gu, "");
}
