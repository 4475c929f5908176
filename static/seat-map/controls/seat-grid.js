/**
 * The seat map for keyboards and screen readers: an ARIA grid with one active seat. Only the current row is in the
 * document.
 *
 * Arrow keys move in their direction, Home and End to the ends of the row, Page Up and Page Down to the next section.
 * Typing the name of a seat jumps to it, Enter or Space chooses it, plus and minus zoom.
 *
 * @import { Layout } from "../layout.js"
 */
import { h } from "../../app/dom.js";
import { neighbour } from "../nearby.js";

const TYPING_MS = 1500;

/**
 * @typedef {object} Hooks
 * @property {(seat: number) => string} describe a seat in words
 * @property {(seat: number) => boolean} chosen
 * @property {(row: number) => string} row in words
 * @property {(seat: number) => void} move another seat became the active one
 * @property {(seat: number) => void} choose
 * @property {(factor: number) => void} zoom
 * @property {(typed: string, found: boolean) => void} typed "" when typing has ended
 */

const ARROWS = /** @type {Record<string, [number, number]>} */ ({
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
});

export class SeatGrid {
  /** @param {HTMLElement} grid @param {Hooks} hooks */
  constructor(grid, hooks) {
    this._grid = grid;
    this._hooks = hooks;
    /** @type {Layout | null} */
    this._layout = null;
    this.active = -1;
    this._row = -1;
    /** @type {Map<number, HTMLElement>} */
    this._cells = new Map();
    this._typed = "";
    this._timer = 0;
    grid.addEventListener("keydown", (event) => this._key(event));
    grid.addEventListener("focus", () => {
      if (this.active < 0 && this._layout?.count) this.go(this._first(), false);
    });
  }

  /** @param {Layout} layout */
  reset(layout) {
    this._layout = layout;
    this._row = -1;
    this._grid.setAttribute("aria-rowcount", String(layout.rows.length));
    if (this.active >= layout.count) this.active = -1;
    if (this.active >= 0) this._showRow();
  }

  /** @param {number} seat @param {boolean} [tell] whether to report it */
  go(seat, tell = true) {
    this.active = seat;
    this._showRow();
    if (tell) this._hooks.move(seat);
  }

  /** Update the texts of seats. @param {Iterable<number>} seats */
  change(seats) {
    for (const seat of seats) {
      const cell = this._cells.get(seat);
      if (cell) this._fill(cell, seat);
    }
  }

  _first() {
    const layout = /** @type {Layout} */ (this._layout);
    const row = layout.rows[0].seats;
    return row[Math.floor(row.length / 2)];
  }

  _showRow() {
    const layout = /** @type {Layout} */ (this._layout);
    const n = layout.row[this.active];
    if (n !== this._row) {
      this._row = n;
      const row = layout.rows[n];
      this._cells = new Map(row.seats.map((seat, place) => [seat, this._cell(seat, place)]));
      const head = h("span", { role: "rowheader" }, `${layout.sections[row.section].title} ${this._hooks.row(n)}`);
      this._grid.replaceChildren(h("div", { role: "row", "aria-rowindex": n + 1 }, head, ...this._cells.values()));
    }
    this._grid.setAttribute("aria-activedescendant", `seat-${this.active}`);
  }

  /** @param {number} seat @param {number} place */
  _cell(seat, place) {
    const cell = h("span", { role: "gridcell", id: `seat-${seat}`, "aria-colindex": place + 2 });
    this._fill(cell, seat);
    return cell;
  }

  /** @param {HTMLElement} cell @param {number} seat */
  _fill(cell, seat) {
    cell.textContent = this._hooks.describe(seat);
    cell.setAttribute("aria-selected", String(this._hooks.chosen(seat)));
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    const layout = this._layout;
    if (!layout?.count || event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.active < 0) this.active = this._first();
    if (!this._act(event.key, layout)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {string} key @param {Layout} layout @returns {boolean} whether the key has a meaning here */
  _act(key, layout) {
    const arrow = ARROWS[key];
    const { seats } = layout.rows[layout.row[this.active]];
    if (arrow) this.go(neighbour(layout, this.active, ...arrow));
    else if (key === "Home") this.go(seats[0]);
    else if (key === "End") this.go(seats[seats.length - 1]);
    else if (key === "PageDown" || key === "PageUp") this._section(layout, key === "PageDown" ? 1 : -1);
    else if (key === "Enter" || key === " ") this._choose();
    else if (key === "Escape" && this._typed) this._stopTyping();
    else if (key === "Backspace" && this._typed) this._type(layout, this._typed.slice(0, -1));
    else if (!this._typed && (key === "+" || key === "=")) this._hooks.zoom(1.5);
    else if (!this._typed && (key === "-" || key === "_")) this._hooks.zoom(1 / 1.5);
    else if (/^[\p{L}\p{N}-]$/u.test(key)) this._type(layout, this._typed + key);
    else return false;
    return true;
  }

  _choose() {
    this._stopTyping();
    this._hooks.choose(this.active);
  }

  /** @param {Layout} layout @param {number} by */
  _section(layout, by) {
    const next = (layout.section[this.active] + by + layout.sections.length) % layout.sections.length;
    const rows = layout.sections[next].rows;
    const { seats } = layout.rows[rows[0]];
    this.go(seats[Math.floor(seats.length / 2)]);
  }

  /** @param {Layout} layout @param {string} typed */
  _type(layout, typed) {
    this._typed = typed;
    clearTimeout(this._timer);
    this._timer = setTimeout(() => this._stopTyping(), TYPING_MS);
    const found = layout.find(typed);
    const section = layout.section[this.active];
    const best = found.find((seat) => layout.section[seat] === section) ?? found[0];
    if (best !== undefined) this.go(best);
    this._hooks.typed(typed.toUpperCase(), best !== undefined);
  }

  _stopTyping() {
    clearTimeout(this._timer);
    this._typed = "";
    this._hooks.typed("", true);
  }
}
