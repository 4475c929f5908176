/**
 * The rows of a plan. The seats of a row nearly always follow each other in the plan and stand in that order: then its
 * list of seats is only made when somebody asks for it. Pure.
 *
 * @import { ListedRow, Rect } from "./types.js"
 */
import { noBox } from "./geometry.js";

/** @typedef {Pick<import("./layout.js").Layout, "x" | "y" | "category">} Places of the seats of a plan */

export class Row {
  /** @param {string} name @param {number} section index into `Layout.sections` @param {ListedRow | null} listed */
  constructor(name, section, listed) {
    this.name = name;
    this.section = section;
    /** Where its seats are in the plan: the first of each run of seats, and the one after its last. @type {number[]} */
    this.runs = [];
    this.count = 0;
    /** Whether the row is in order of the x of its seats; else of their y. */
    this.wide = true;
    /** Around the centres of its seats. @type {Rect} */
    this.box = noBox();
    /** Of its seats, perhaps repeated. @type {number[]} */
    this.categories = [];
    /** Printed in place of "Row name", or "". */
    this.label = listed?.label ?? "";
    /** Printed in place of a seat's number, with %s for it, or "". */
    this.seatLabel = listed?.seat_label ?? "";
    /** Where the map names the row. @type {"both" | "start" | "end" | "none"} */
    this.names = listed?.names ?? "both";
    /** Tells it apart from rows of the same name with seats of the same numbers, or 0. */
    this.block = listed?.block ?? 0;
    /** Of its seats: none, one for all or one for each. @type {number[]} */
    this.radius = listed?.radius ?? [];
    /** Its seats in order, where they are needed or not in plan order. @type {number[] | null} */
    this._seats = null;
    this._measured = 0;
  }

  /** Add seats of the plan. @param {number} first @param {number} end the seat after the last */
  add(first, end) {
    const { runs } = this;
    if (runs[runs.length - 1] === first) runs[runs.length - 1] = end;
    else runs.push(first, end);
    this.count += end - first;
  }

  /** The indices of its seats along the row. @returns {number[]} */
  get seats() {
    this._seats ??= this._inPlanOrder();
    return this._seats;
  }

  /** The n-th seat along the row. @param {number} n */
  at(n) {
    return this._seats || this.runs.length > 2 ? this.seats[n] : this.runs[0] + n;
  }

  /** The place of a seat along the row. @param {number} seat */
  placeOf(seat) {
    return this.seats.indexOf(seat);
  }

  /** Find out box, categories and order of its seats, unless that is known. @param {Places} places */
  measure({ x, y, category }) {
    if (this._measured === this.count) return;
    this._measured = this.count;
    const { runs } = this;
    let before = runs[0];
    let [left, right, top, bottom] = [x[before], x[before], y[before], y[before]];
    let [byX, byY] = [true, true];
    this.categories = [category[before]];
    for (let run = 0; run < runs.length; run += 2) {
      for (let seat = runs[run]; seat < runs[run + 1]; seat++) {
        if (category[seat] !== category[before]) this.categories.push(category[seat]);
        const atX = x[seat];
        const atY = y[seat];
        if (atX < x[before]) byX = false;
        if (atY < y[before]) byY = false;
        if (atX < left) left = atX;
        else if (atX > right) right = atX;
        if (atY < top) top = atY;
        else if (atY > bottom) bottom = atY;
        before = seat;
      }
    }
    this.box = { left, right, top, bottom };
    this.wide = right - left >= bottom - top;
    const along = this.wide ? x : y;
    const inOrder = this.wide ? byX : byY;
    this._seats = inOrder ? null : this._inPlanOrder().sort((one, other) => along[one] - along[other]);
  }

  _inPlanOrder() {
    /** @type {number[]} */
    const seats = [];
    for (let run = 0; run < this.runs.length; run += 2) {
      for (let seat = this.runs[run]; seat < this.runs[run + 1]; seat++) seats.push(seat);
    }
    return seats;
  }
}
