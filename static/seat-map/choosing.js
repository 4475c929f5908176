/**
 * Which seats the viewer has chosen, and which are the viewer's own: the rules of choosing. Pure, no DOM.
 *
 * A seat is chosen only while it is free, up to a limit. A chosen seat that somebody else takes is lost, except while
 * the viewer's own request for it is under way: its answer decides. Seats are indices into the layout.
 */
import { FREE, MINE, SELECTED } from "./seat-states.js";

/** @typedef {"chosen" | "unchanged" | "taken" | "limit"} Outcome of choosing a seat */

export class Choosing {
  /** @param {(seat: number) => number} status what the server says of a seat, as in `seat-states.js` */
  constructor(status) {
    this._status = status;
    /** Chosen seats, in the order of choosing. @type {Set<number>} */
    this.selected = new Set();
    /** Seats that are held or booked for this viewer. @type {Set<number>} */
    this.mine = new Set();
    /** Seats that were asked for and not answered yet. @type {Set<number>} */
    this._requested = new Set();
  }

  /** The viewer's own seats: held or booked, then chosen. @returns {number[]} */
  get own() {
    return [...this.mine, ...this.selected];
  }

  /** What the map shows of a seat: a status, SELECTED or MINE. @param {number} seat */
  state(seat) {
    if (this.mine.has(seat)) return MINE;
    if (this.selected.has(seat)) return SELECTED;
    return this._status(seat);
  }

  /**
   * Choose a seat.
   * @param {number} seat
   * @param {number} limit the most seats that may be chosen
   * @param {boolean} [any] whatever its status
   * @returns {Outcome} "unchanged" for a seat that is the viewer's already, "taken" for one that is not free
   */
  choose(seat, limit, any = false) {
    if (this.mine.has(seat) || this.selected.has(seat)) return "unchanged";
    if (!any && this._status(seat) !== FREE) return "taken";
    if (this.selected.size >= limit) return "limit";
    this.selected.add(seat);
    return "chosen";
  }

  /** Remove a seat from the selection. @param {number} seat @returns {boolean} whether it was chosen */
  remove(seat) {
    return this.selected.delete(seat);
  }

  /** Remove all seats from the selection. @returns {number[]} those that were chosen */
  clear() {
    const seats = [...this.selected];
    this.selected.clear();
    return seats;
  }

  /** Choose exactly these seats. @param {Iterable<number>} seats @returns {Set<number>} seats whose look may have changed */
  replace(seats) {
    const before = this.selected;
    this.selected = new Set(seats);
    return new Set([...before, ...this.selected]);
  }

  /**
   * Set the seats that are held or booked for this viewer; they are not "chosen" any more.
   * @param {Iterable<number>} seats
   * @returns {{changed: Set<number>, deselected: boolean}} seats whose look may have changed, and whether the selection did
   */
  setMine(seats) {
    const before = this.mine;
    this.mine = new Set(seats);
    let deselected = false;
    for (const seat of this.mine) deselected = this.selected.delete(seat) || deselected;
    return { changed: new Set([...before, ...this.mine]), deselected };
  }

  /** A request for these seats begins; it ends with `answered`. @param {Iterable<number>} seats */
  request(seats) {
    this._requested = new Set(seats);
  }

  /** The request has an answer, or failed. */
  answered() {
    this._requested.clear();
  }

  /** Whether a change of this seat may be the viewer's own doing. @param {number} seat */
  concerns(seat) {
    return this.mine.has(seat) || this._requested.has(seat);
  }

  /**
   * Which chosen seats somebody else has taken.
   * @param {Iterable<number>} changed seats whose status changed
   * @returns {number[]} call `lose` with them
   */
  lost(changed) {
    if (!this.selected.size) return [];
    return [...changed].filter(
      (seat) => this.selected.has(seat) && !this._requested.has(seat) && this._status(seat) !== FREE,
    );
  }

  /** Remove seats that somebody else has taken. @param {Iterable<number>} seats */
  lose(seats) {
    for (const seat of seats) this.selected.delete(seat);
  }
}
