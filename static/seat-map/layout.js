/**
 * A seating plan in memory: typed arrays by seat index, sections, rows, and an index of the seats of an area. Pure.
 *
 * Seats can be added while they arrive; `index()` then updates everything that is derived from them. Positions are in
 * units of the plan.
 *
 * @import { CodedChunk, LayoutHead, ListedRow, Rect, WireSeat } from "./types.js"
 */

import { seatName } from "../app/seat-name.js";
import { extend, noBox, shapeBounds } from "./geometry.js";
import { nameRows, namesReach } from "./row-names.js";
import { Row } from "./rows.js";
import { SeatIds } from "./seat-ids.js";
import { Section } from "./sections.js";
import { FULL, measureSpacing, SEAT_SHARE, usualDistance } from "./spacing.js";
import { SpatialIndex } from "./spatial-index.js";
import { Steps } from "./steps.js";
import { plain, typedIndex } from "./typed-index.js";

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
    this.accessible = new Uint8Array(room);
    this._seatIds = new SeatIds();
    /** @type {Section[]} */
    this.sections = [];
    /** @type {Row[]} */
    this.rows = [];
    /** The distance of neighbouring seats. */
    this.pitch = 1;
    this._spacing = new Steps(measureSpacing(this));
    this._rowNames = new Steps(nameRows(this));
    /** @type {Rect} of everything that is drawn */
    this.bounds = { left: 0, top: 0, right: head.size.width || 1, bottom: head.size.height || 1 };
    /** @type {SpatialIndex | null} */
    this._spatial = null;
    this._categoryOf = new Map(head.categories.map((each, n) => [each.name, n]));
    /** @type {Map<string, number>} */
    this._sectionOf = new Map();
    /** Listed rows by their first seat. @type {Map<number, number>} */
    this._listedRows = new Map();
    this._listed = head.rows ?? [];
    this._nextListed = 0;
    /** @type {Map<string, number[]> | null} */
    this._typed = null;
  }

  /** The id of each seat. */
  get ids() {
    return this._seatIds.ids;
  }

  /** The number of each seat, as the plan has it. */
  get numbers() {
    return this._seatIds.numbers;
  }

  /** The index of each id. */
  get byId() {
    return this._seatIds.byId;
  }

  /** The id of one seat. @param {number} seat */
  idOf(seat) {
    return this._seatIds.idOf(seat);
  }

  /** The number of one seat, as the plan has it. @param {number} seat */
  numberOf(seat) {
    return this._seatIds.numberOf(seat);
  }

  /** @param {CodedChunk} chunk the next seats in index order */
  addChunk(chunk) {
    const start = this.count;
    this.count += chunk.count;
    this._reserve(this.count);
    this.x.set(chunk.x, start);
    this.y.set(chunk.y, start);
    this.category.set(chunk.categories, start);
    for (const coded of chunk.rows) {
      const first = start + coded.first;
      const end = first + coded.count;
      for (const at of coded.accessible) this.accessible[first + at] = 1;
      const listed = coded.listed && { ...coded.listed, first, count: coded.count };
      this._place(first, end, coded.section, coded.name, listed);
      this._seatIds.addRow(first, coded);
    }
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
      this._seatIds.addSeat(seat.id, seat.number);
      this._place(n, n + 1, seat.section, seat.row, this._listedRow(n));
    }
  }

  /** Update pitch, rows, sections and bounds for the seats that have arrived. */
  index() {
    this._typed = this._spatial = null;
    this._spacing = new Steps(measureSpacing(this));
    this._rowNames = new Steps(nameRows(this));
    for (const row of this.rows) row.measure(this);
    this.pitch = usualDistance(this);
    for (const section of this.sections) section.measure(this.rows);
    if (this.complete) this.bounds = this._measureBounds();
  }

  /** Made when it is needed: a map whose seats are dots is painted by rows. */
  get spatial() {
    this._spatial ??= new SpatialIndex(this, this.seatBounds);
    return this._spatial;
  }

  /** Measured when it is needed: a plan whose seats are tiny dots is painted without it. */
  get spacing() {
    return this._spacing.value;
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
    return this._rowNames.value;
  }

  /** Measure until this time what the map needs when it is zoomed in. @param {number} end as `performance.now()` has it @returns {boolean} whether all is measured */
  prepare(end) {
    return this._spacing.run(end) && this._rowNames.run(end);
  }

  /**
   * Find seats by what a person types: "F12", "f-12", a seat id, or a row alone (its first seat).
   * @param {string} typed
   * @returns {number[]}
   */
  find(typed) {
    this._typed ??= typedIndex(this);
    return this._typed.get(plain(typed)) ?? [];
  }

  /** @param {number} seat @returns {string} the short name: row and number as tickets state them, never empty */
  label(seat) {
    const { label, name, block } = this.rows[this.row[seat]];
    return seatName({ row: label || name, number: this.number(seat) }) + (block ? ` (${block})` : "");
  }

  /** @param {number} seat @returns {string} its number as it is printed; its id if it has none, or its row has it twice */
  number(seat) {
    const { seats, seatLabel } = this.rows[this.row[seat]];
    const number = this.numberOf(seat);
    if (!number) return this.idOf(seat);
    const printed = seatLabel ? seatLabel.replace("%s", number) : number;
    const twice = seats.some((other) => other !== seat && this.numberOf(other) === number);
    return twice ? `${printed} (${this.idOf(seat)})` : printed;
  }

  /** @param {number} seat @returns {string} the section's name, and the block if its rows have seats of equal names */
  sectionName(seat) {
    const { block } = this.rows[this.row[seat]];
    const { name } = this.sections[this.section[seat]];
    return block ? `${name} (${block})` : name;
  }

  /** @param {number} room */
  _reserve(room) {
    if (room <= this.x.length) return;
    const size = Math.max(room, this.x.length * 2);
    for (const name of /** @type {const} */ (["x", "y", "category", "section", "row", "accessible"])) {
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
      this.sections.push(new Section(name));
    }
    return n;
  }

  /** Put seats into their section and row. @param {number} first @param {number} end @param {string} inSection @param {string} name of the row @param {ListedRow | null} listed */
  _place(first, end, inSection, name, listed) {
    const section = this._section(inSection);
    const { named, rows } = this.sections[section];
    let n = listed ? this._listedRows.get(listed.first) : named.get(name);
    if (n === undefined) {
      n = this.rows.length;
      if (listed) this._listedRows.set(listed.first, n);
      else named.set(name, n);
      this.rows.push(new Row(name, section, listed));
      rows.push(n);
    }
    this.rows[n].add(first, end);
    this.section.fill(section, first, end);
    this.row.fill(n, first, end);
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

  /** Around the centres of all seats. */
  get seatBounds() {
    const box = noBox();
    for (const { bounds } of this.sections) extend(box, bounds);
    return box;
  }

  _measureBounds() {
    const { left, top, right, bottom } = this.seatBounds;
    const reach = this.pitch * namesReach(this.rows);
    const box = {
      left: left - reach,
      top: top - this.pitch,
      right: right + reach,
      bottom: bottom + this.pitch,
    };
    for (const shape of this.shapes) extend(box, shapeBounds(shape, this.pitch));
    return box.left < box.right ? box : this.bounds;
  }
}
