/**
 * Ids and numbers of a plan's seats, by seat index. Those of coded rows are spelt out when they are needed: a map is
 * painted without them. Pure.
 *
 * @import { CodedRow } from "./types.js"
 */

export class SeatIds {
  constructor() {
    /** @type {string[]} */
    this._ids = [];
    /** @type {string[]} */
    this._numbers = [];
    /** @type {Map<string, number>} */
    this._byId = new Map();
    /** @type {CodedRow[]} */
    this._rows = [];
    /** The first seat of each row. @type {number[]} */
    this._first = [];
    /** How many rows are spelt out, from the first on. */
    this._spelt = 0;
  }

  /** Add the seats of a coded row. @param {number} first index of its first seat @param {CodedRow} row */
  addRow(first, row) {
    this._rows.push(row);
    this._first.push(first);
  }

  /** Add the next seat, after those of all coded rows. @param {string} id @param {string} number */
  addSeat(id, number) {
    this._spell();
    this._ids.push(id);
    this._numbers.push(number);
  }

  /** The id of each seat. */
  get ids() {
    this._spell();
    return this._ids;
  }

  /** The number of each seat, as the plan has it. */
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

  /** The id of one seat: those of its row are spelt out. @param {number} seat */
  idOf(seat) {
    return this._ids[seat] ?? this._spellAt(seat, this._ids);
  }

  /** The number of one seat, likewise. @param {number} seat */
  numberOf(seat) {
    return this._numbers[seat] ?? this._spellAt(seat, this._numbers);
  }

  _spell() {
    while (this._spelt < this._rows.length) this._spellRow(this._spelt++);
  }

  /** @param {number} seat @param {string[]} texts ids or numbers */
  _spellAt(seat, texts) {
    let low = 0;
    for (let high = this._first.length; high - low > 1; ) {
      const middle = (low + high) >> 1;
      if (this._first[middle] <= seat) low = middle;
      else high = middle;
    }
    this._spellRow(low);
    return texts[seat];
  }

  /** @param {number} row index into `_rows` */
  _spellRow(row) {
    const { count, id, number } = this._rows[row];
    for (let n = 0, seat = this._first[row]; n < count; n++, seat++) {
      this._ids[seat] = id(n);
      this._numbers[seat] = number(n);
    }
  }
}
