/**
 * The map of a show for operators: `<seat-map>`, on which seats of any status are chosen, one by one or by drawing a
 * rectangle around them.
 *
 * Events: `ready` (the plan and the statuses are there), `change` (statuses changed), `choose` (detail: indices of all
 * chosen seats), `chooseall` (detail: indices of the seats in a rectangle).
 *
 * @import { SeatMap } from "../seat-map/seat-map.js"
 * @import { Translator } from "../i18n/i18n.js"
 * @import { Seat } from "./seat-ids.js"
 */
import "../seat-map/seat-map.js";
import { h } from "../app/dom.js";
import { theme } from "../app/page.js";
import { staffSeatName } from "../app/seat-name.js";

/** A pointer that moved less, CSS pixels, was clicked. */
const CLICK = 6;

export class ShowMap extends EventTarget {
  /** @param {string} show id */
  constructor(show) {
    super();
    this._map = /** @type {SeatMap} */ (
      h(/** @type {any} */ ("seat-map"), { show, "any-status": true, "max-seats": Number.MAX_SAFE_INTEGER })
    );
    this._frame = h("div", { class: "rectangle", hidden: true });
    this._drawing = h("button", { class: "button", type: "button", "aria-pressed": "false" });
    this._drawing.addEventListener("click", () => this._setDrawing(!this._isDrawing));
    this._isDrawing = false;
    /** Where a rectangle was begun, in the viewport. @type {{x: number, y: number} | null} */
    this._from = null;
    this.element = h("div", { class: "show-map" }, this._map, this._frame);
    this._listen();
  }

  /** The switch between moving the map and drawing rectangles. */
  get drawing() {
    return this._drawing;
  }

  /** The seats of the plan, by index; empty before `ready`. @returns {Seat[]} */
  get seats() {
    const layout = this._map.live?.layout;
    if (!layout) return [];
    return layout.ids.map((id, n) => ({
      id,
      name: staffSeatName(id, layout.label(n)),
      section: layout.sectionName(n),
      row: layout.rows[layout.row[n]].name,
      category: layout.categories[layout.category[n]]?.name,
    }));
  }

  /** The present status of each seat. @returns {Uint8Array} */
  get statuses() {
    const live = this._map.live;
    return live?.states.values.subarray(0, live.layout?.count ?? 0) ?? new Uint8Array();
  }

  /** Show statuses of the past; null shows the present ones. @param {Uint8Array | null} statuses */
  showStatuses(statuses) {
    this._map.showStatuses(statuses);
  }

  /** @param {Iterable<number>} seats indices */
  choose(seats) {
    const ids = this._map.live?.layout?.ids;
    if (ids) this._map.selection = Array.from(seats, (seat) => ids[seat]);
  }

  /** @param {Translator} i18n */
  localize(i18n) {
    this._map.setAttribute("locale", i18n.code);
    this._map.setAttribute("theme", theme());
    this._drawing.textContent = i18n.t("opsRectangle");
    this._drawing.title = i18n.t("opsRectangleHint");
  }

  _listen() {
    const tell = (/** @type {string} */ name, /** @type {unknown} */ detail = null) =>
      this.dispatchEvent(new CustomEvent(name, { detail }));
    this._map.addEventListener("ready", () => tell("ready"));
    this._map.addEventListener("seatschange", () => tell("change"));
    this._map.addEventListener("selectionchange", (event) => {
      const { seats } = /** @type {CustomEvent<{seats: {index: number}[]}>} */ (event).detail;
      tell(
        "choose",
        seats.map(({ index }) => index),
      );
    });
    // Before the map takes the pointer for moving itself.
    this._map.addEventListener("pointerdown", (event) => this._down(event), { capture: true });
    this._map.addEventListener("pointermove", (event) => this._move(event), { capture: true });
    for (const end of /** @type {const} */ (["pointerup", "pointercancel"]))
      this._map.addEventListener(end, (event) => this._up(event), { capture: true });
  }

  /** @param {boolean} on */
  _setDrawing(on) {
    this._isDrawing = on;
    this._drawing.setAttribute("aria-pressed", String(on));
    this.element.classList.toggle("drawing", on);
  }

  /** @param {PointerEvent} event */
  _down(event) {
    const onMap = event.composedPath().some((each) => each instanceof Element && each.role === "grid");
    if (!onMap || event.button || !(this._isDrawing || event.shiftKey)) return;
    event.stopPropagation();
    event.preventDefault();
    this._map.setPointerCapture(event.pointerId);
    this._from = { x: event.clientX, y: event.clientY };
  }

  /** @param {PointerEvent} event */
  _move(event) {
    if (!this._from) return;
    event.stopPropagation();
    const { left, top, right, bottom } = this._rectangle(event);
    const box = this.element.getBoundingClientRect();
    this._frame.hidden = false;
    this._frame.style.cssText = `left: ${left - box.left}px; top: ${top - box.top}px; width: ${right - left}px; height: ${bottom - top}px`;
  }

  /** @param {PointerEvent} event */
  _up(event) {
    if (!this._from) return;
    event.stopPropagation();
    const area = this._rectangle(event);
    this._from = null;
    this._frame.hidden = true;
    if (event.type === "pointercancel" || Math.hypot(area.right - area.left, area.bottom - area.top) < CLICK) return;
    const seats = (this._map.live?.layout?.ids ?? []).flatMap((id, n) => {
      const { x, y } = this._map.pointOf(id);
      return x >= area.left && x <= area.right && y >= area.top && y <= area.bottom ? [n] : [];
    });
    if (seats.length) this.dispatchEvent(new CustomEvent("chooseall", { detail: seats }));
  }

  /** Between where the pointer went down and where it is, in the viewport. @param {PointerEvent} event */
  _rectangle(event) {
    const from = this._from ?? { x: event.clientX, y: event.clientY };
    const [left, right] = [from.x, event.clientX].sort((a, b) => a - b);
    const [top, bottom] = [from.y, event.clientY].sort((a, b) => a - b);
    return { left, top, right, bottom };
  }
}
