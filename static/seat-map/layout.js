/**
 * A seating plan in memory: typed arrays by seat index, sections, rows and a grid for "which seats are here".
 *
 * Pure: no DOM, no network. Seats may be added while they still arrive; `index()` brings everything derived up to date.
 * Positions are in the plan's units.
 *
 * @import { LayoutHead, Rect, WireSeat } from "./types.js"
 */

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
 */

export class Layout {
  /**
   * @param {LayoutHead} head
   * @param {number} expected how many seats will come (a hint, not a bound)
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
    /** Place of the seat in its row. */
    this.place = new Uint16Array(room);
    this.accessible = new Uint8Array(room);
    /** @type {string[]} */
    this.ids = [];
    /** @type {string[]} */
    this.numbers = [];
    /** @type {Map<string, number>} */
    this.byId = new Map();
    /** @type {Section[]} */
    this.sections = [];
    /** @type {Row[]} */
    this.rows = [];
    /** Distance of neighbouring seats: what a seat may take up. */
    this.pitch = 1;
    /** @type {Rect} of everything that is drawn */
    this.bounds = { left: 0, top: 0, right: head.size.width || 1, bottom: head.size.height || 1 };
    this.grid = new Grid(this);
    this._categoryOf = new Map(head.categories.map((each, n) => [each.name, n]));
    /** @type {Map<string, number>} */
    this._sectionOf = new Map();
    /** @type {Map<string, number>} */
    this._rowOf = new Map();
    /** @type {Map<string, number[]> | null} */
    this._typed = null;
  }

  /** @param {WireSeat[]} seats the next seats in index order */
  add(seats) {
    this._reserve(this.count + seats.length);
    for (const seat of seats) {
      const n = this.count++;
      this.x[n] = seat.x;
      this.y[n] = seat.y;
      this.category[n] = this._categoryOf.get(seat.category) ?? 0;
      this.accessible[n] = seat.accessible ? 1 : 0;
      this.ids.push(seat.id);
      this.numbers.push(seat.number);
      this.byId.set(seat.id, n);
      const section = this._section(seat.section);
      this.section[n] = section;
      const row = this._row(section, seat.row);
      this.row[n] = row;
      this.rows[row].seats.push(n);
    }
  }

  /** Bring pitch, rows, sections, bounds and grid up to date with the seats that are here. */
  index() {
    this._typed = null;
    for (const row of this.rows) this._sortRow(row);
    this.pitch = this._measurePitch();
    for (const section of this.sections) this._measureSection(section);
    if (this.complete) this.bounds = this._measureBounds();
    this.grid = new Grid(this);
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

  /** @param {number} seat @returns {string} the short name on the ticket: row and number */
  label(seat) {
    const row = this.rows[this.row[seat]].name;
    return row ? `${row}-${this.numbers[seat]}` : this.numbers[seat] || this.ids[seat];
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

  /** @param {number} section @param {string} name */
  _row(section, name) {
    const key = `${section}\n${name}`;
    let n = this._rowOf.get(key);
    if (n === undefined) {
      n = this.rows.length;
      this._rowOf.set(key, n);
      this.rows.push({ name, section, seats: [] });
      this.sections[section].rows.push(n);
    }
    return n;
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

  // The 20th percentile of neighbour distances along rows: wide enough for most, and an aisle does not stretch it.
  _measurePitch() {
    /** @type {number[]} */
    const gaps = [];
    for (const { seats } of this.rows) {
      for (let n = 1; n < seats.length; n++) {
        const gap = Math.hypot(this.x[seats[n]] - this.x[seats[n - 1]], this.y[seats[n]] - this.y[seats[n - 1]]);
        if (gap > 0) gaps.push(gap);
      }
    }
    if (!gaps.length) return Math.max(this.size.width, this.size.height, 1) / 40;
    return Float64Array.from(gaps).sort()[Math.floor(gaps.length / 5)];
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
      put(plain(this.rows[this.row[n]].name + this.numbers[n]), n);
      put(plain(this.ids[n]), n);
    }
    return found;
  }
}

/** @param {string} text @returns {string} letters and digits only, upper case */
export function plain(text) {
  return text.toUpperCase().replace(/[^\p{L}\p{M}\p{N}]+/gu, "");
}

/**
 * The box around a shape, rotation included generously.
 * @param {import("./types.js").Shape} shape
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

/** Seats by squares of the plan, so that a small area costs what is in it and not the whole plan. */
class Grid {
  /** @param {Layout} layout */
  constructor(layout) {
    const { count, x, y } = layout;
    let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let n = 0; n < count; n++) {
      left = Math.min(left, x[n]);
      right = Math.max(right, x[n]);
      top = Math.min(top, y[n]);
      bottom = Math.max(bottom, y[n]);
    }
    if (!count) [left, top, right, bottom] = [0, 0, 1, 1];
    this.left = left;
    this.top = top;
    this.cell = Math.max(layout.pitch * 6, (right - left) / 400, (bottom - top) / 400, 1e-6);
    this.columns = Math.floor((right - left) / this.cell) + 1;
    this.lines = Math.floor((bottom - top) / this.cell) + 1;
    const cells = this.columns * this.lines;
    this.start = new Uint32Array(cells + 1);
    this.items = new Uint32Array(count);
    const of = new Uint32Array(count);
    for (let n = 0; n < count; n++) {
      of[n] = Math.floor((y[n] - top) / this.cell) * this.columns + Math.floor((x[n] - left) / this.cell);
      this.start[of[n] + 1]++;
    }
    for (let n = 0; n < cells; n++) this.start[n + 1] += this.start[n];
    const next = this.start.slice();
    for (let n = 0; n < count; n++) this.items[next[of[n]]++] = n;
  }

  /**
   * Call `visit` with every seat in the squares that touch the area (so some may lie just outside).
   * @param {Rect} area
   * @param {(seat: number) => void} visit
   */
  each(area, visit) {
    const c0 = Math.max(0, Math.floor((area.left - this.left) / this.cell));
    const c1 = Math.min(this.columns - 1, Math.floor((area.right - this.left) / this.cell));
    const l0 = Math.max(0, Math.floor((area.top - this.top) / this.cell));
    const l1 = Math.min(this.lines - 1, Math.floor((area.bottom - this.top) / this.cell));
    for (let line = l0; line <= l1; line++) {
      const base = line * this.columns;
      const end = this.start[base + c1 + 1];
      for (let k = this.start[base + c0]; k < end; k++) visit(this.items[k]);
    }
  }
}
