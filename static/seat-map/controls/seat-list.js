/**
 * The plan as a list: sections that open, rows in them, a button for each seat. It is an alternative to the map for
 * screen readers, for people who have difficulty aiming, and for small screens, and offers the same. A section is
 * filled when it is opened.
 *
 * @import { Layout } from "../layout.js"
 */
import { h } from "../../app/dom.js";
import { FREE } from "../seat-states.js";

/**
 * @typedef {object} ListOwner
 * @property {(seat: number) => number} state
 * @property {(seat: number) => boolean} dimmed filtered out
 * @property {(section: number) => boolean} hides whether all seats of a section are filtered out
 * @property {(seat: number) => string} describe a seat in words
 * @property {(section: number) => {title: string, detail: string}} section
 * @property {(row: number) => string} row in words
 * @property {(seat: number) => void} choose
 */

export class SeatList {
  /** @param {HTMLElement} box @param {ListOwner} owner */
  constructor(box, owner) {
    this._box = box;
    this._owner = owner;
    /** @type {Layout | null} */
    this._layout = null;
    /** @type {Map<number, HTMLButtonElement>} seat -> its button, of opened sections */
    this._seats = new Map();
    /** @type {{details: HTMLDetailsElement, count: HTMLElement, filled: boolean}[]} */
    this._sections = [];
    box.addEventListener("click", (event) => this._clicked(event));
  }

  /** Whether the list is shown. */
  get open() {
    return !this._box.hidden;
  }

  /** Start again with another plan, language or filter. Sections that were open stay open. @param {Layout} layout */
  reset(layout) {
    this._layout = layout;
    if (!this.open) return;
    const before = this._sections.map(({ details }) => details.open);
    this._seats.clear();
    this._sections = layout.sections.map(({ title }, n) => {
      const count = h("span", { class: "list-count" });
      const details = h(
        "details",
        { class: "list-section" },
        h("summary", {}, h("span", { class: "list-name" }, title), count),
      );
      details.addEventListener("toggle", () => details.open && this._fill(n));
      return { details, count, filled: false };
    });
    this._box.replaceChildren(...this._sections.map(({ details }) => details));
    this._sections.forEach(({ details }, n) => {
      details.open = before.length ? !!before[n] : layout.sections.length === 1;
      details.hidden = this._owner.hides(n);
    });
    this.count();
  }

  /** Update how many seats are free in each section. */
  count() {
    if (!this.open) return;
    this._sections.forEach(({ count }, n) => {
      count.textContent = this._owner.section(n).detail;
    });
  }

  /** @param {Iterable<number>} seats whose look changed */
  change(seats) {
    if (!this.open) return;
    for (const seat of seats) {
      const button = this._seats.get(seat);
      if (button) this._update(button, seat);
    }
  }

  /** @param {number} n */
  _fill(n) {
    const layout = this._layout;
    const section = this._sections[n];
    if (!layout || section.filled) return;
    section.filled = true;
    for (const row of layout.sections[n].rows) {
      const shown = layout.rows[row].seats.filter((seat) => !this._owner.dimmed(seat));
      if (!shown.length) continue;
      const buttons = shown.map((seat) => this._button(seat, layout.number(seat)));
      const label = this._owner.row(row);
      section.details.append(
        h(
          "div",
          { class: "list-row", role: "group", "aria-label": label },
          h("span", { class: "list-head", "aria-hidden": "true" }, label),
          h("div", { class: "list-seats" }, ...buttons),
        ),
      );
    }
  }

  /** @param {number} seat @param {string} number */
  _button(seat, number) {
    const button = h(
      "button",
      { type: "button", class: "list-seat", "data-index": seat },
      h("span", { "aria-hidden": "true" }, number),
    );
    this._seats.set(seat, button);
    this._update(button, seat);
    return button;
  }

  /** @param {HTMLButtonElement} button @param {number} seat */
  _update(button, seat) {
    const state = this._owner.state(seat);
    button.dataset.state = String(state);
    button.classList.toggle("accessible", this._layout?.accessible[seat] === 1);
    button.setAttribute("aria-label", this._owner.describe(seat));
    button.setAttribute("aria-pressed", String(state >= 5));
    button.setAttribute("aria-disabled", String(state !== FREE && state !== 5));
  }

  /** @param {Event} event */
  _clicked(event) {
    const button = /** @type {HTMLElement} */ (event.target).closest(".list-seat");
    if (button instanceof HTMLElement) this._owner.choose(Number(button.dataset.index));
  }
}
