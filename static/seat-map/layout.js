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
    /** Of each seat, in parts of `FULL`. @type {Uint8Array} */
    this.sizes = new Uint8Array(0);
    /** The seats that lie on others, with these others. @type {Map<number, number[]>} */
    this.lying = new Map();
    /** @type {Rect} of everything that is drawn */
    this.bounds = { left: 0, top: 0, right: head.size.width || 1, bottom: head.size.height || 1 };
    this.spatial = new SpatialIndex(this);
    this._categoryOf = new Map(head.categories.map((each, n) => [each.name, n]));
    /** @type {Map<string, number>} */
    this._sectionOf = new Map();
    /** @type {Map<string, number>} */
    this._rowOf = new Map();
    this._largest = 1;
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
      for (let seat = first; seat < end; seat++) {
        const row = this._row(section, coded.name, listed ?? this._listedRow(seat));
        this.row[seat] = row;
        this.rows[row].seats.push(seat);
      }
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
    this._typed = this._rowNames = null;
    for (const row of this.rows) this._sortRow(row);
    this.pitch = usualDistance(this);
    const { sizes, lying } = measureSpacing(this);
    this.sizes = sizes;
    this.lying = lying;
    this._largest = sizes.reduce((most, size) => Math.max(most, size), FULL) / FULL;
    for (const section of this.sections) this._measureSection(section);
    if (this.complete) this.bounds = this._measureBounds();
    this.spatial = new SpatialIndex(this);
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
    return this.seatSize * this._largest;
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

  /** @param {Row} row */
  _sortRow(row) {
    const { x, y } = this;
    const xs = row.seats.map((s) => x[s]);
    const ys = row.seats.map((s) => y[s]);
    const wide = Math.max(...xs) - Math.min(...xs) >= Math.max(...ys) - Math.min(...ys);
    row.seats.sort((a, b) => (wide ? x[a] - x[b] : y[a] - y[b]));
    row.seats.forEach((seat, place) => {
      this.place[seat] = place;
    });
  }

  /** @param {Section} section */
  _measureSection(section) {
    const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
    section.count = 0;
    /** @type {Set<number>} */
    const categories = new Set();
    for (const row of section.rows) {
      for (const seat of this.rows[row].seats) {
        section.count++;
        categories.add(this.category[seat]);
        box.left = Math.min(box.left, this.x[seat]);
        box.right = Math.max(box.right, this.x[seat]);
        box.top = Math.min(box.top, this.y[seat]);
        box.bottom = Math.max(box.bottom, this.y[seat]);
      }
    }
    section.categories = [...categories].sort((a, b) => a - b);
    section.bounds = box;
    section.x = (box.left + box.right) / 2;
    section.y = (box.top + box.bottom) / 2;
    if (!section.count) throw new Error(`section ${section.name} has no seats`);
  }

  _measureBounds() {
    const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
    for (const { bounds } of this.sections) {
      box.left = Math.min(box.left, bounds.left - this.pitch);
      box.top = Math.min(box.top, bounds.top - this.pitch);
      box.right = Math.max(box.right, bounds.right + this.pitch);
      box.bottom = Math.max(box.bottom, bounds.bottom + this.pitch);
    }
    for (const shape of this.shapes) {
      const of = shapeBounds(shape, this.pitch);
      box.left = Math.min(box.left, of.left);
      box.top = Math.min(box.top, of.top);
      box.right = Math.max(box.right, of.right);
      box.bottom = Math.max(box.bottom, of.bottom);
    }
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

/** @param {string} text @returns {string} letters and digits only, upper case */
export function plain(text) {
  return text.toUpperCase().replace(/[^\p{L}\p{M}\p{N}]+/gu, "");
}
