/**
 * Joins the picture of the map with the parts that take input and those that write texts: what each needs to know of the
 * others. What choosing a seat means is decided by its owner, `seat-map.js`.
 *
 * @import { Layout } from "./layout.js"
 * @import { Translator } from "../i18n/i18n.js"
 */
import { Gestures } from "./controls/gestures.js";
import { Pointer } from "./controls/pointer.js";
import { Popups } from "./controls/popups.js";
import { SeatGrid } from "./controls/seat-grid.js";
import { SeatList } from "./controls/seat-list.js";
import { Toolbar } from "./controls/toolbar.js";
import { Camera } from "./drawing/camera.js";
import { Picture } from "./drawing/picture.js";
import { SELECTED } from "./seat-states.js";
import { shadowTree } from "./shadow-tree.js";

const COUNT_EVERY_MS = 400;
const ANNOUNCE_AFTER_MS = 120;
const ZOOM_STEP = 1.6;

/**
 * @typedef {object} Owner what the view asks its owner for, and reports to it
 * @property {() => Translator} i18n
 * @property {(seat: number) => number} state what is shown of a seat: a status, SELECTED or MINE
 * @property {(seat: number) => number} status what the server says of a seat
 * @property {(seat: number) => boolean} dimmed filtered out
 * @property {(section: number) => boolean} hides whether all seats of a section are filtered out
 * @property {() => Iterable<number>} own the viewer's own seats
 * @property {(seat: number) => string} describe a seat in words
 * @property {(seat: number) => void} choose a seat was chosen, or removed
 * @property {(row: number) => string} row in words
 * @property {(seat: number) => {title: string, detail: string}} tip
 * @property {(section: number) => {title: string, detail: string}} section
 * @property {() => void} switchView the viewer wants the list in place of the map, or the map again
 */

export class View {
  /** @param {HTMLElement} host @param {Owner} owner */
  constructor(host, owner) {
    this._host = host;
    this._owner = owner;
    const camera = new Camera(() => this.picture.moved());
    this.popups = new Popups(camera);
    const tree = shadowTree(host, this.popups.elements);
    this._tree = tree;
    this.grid = tree.grid;
    this.field = tree.field;
    this.legend = tree.legend;
    this.key = tree.key;
    this.banner = tree.banner;
    this.cover = tree.cover;
    this.picture = new Picture(host, tree, camera, owner, (size) => this.popups.frame(size));
    this._countAt = 0;
    this._countTimer = 0;
    this._tipSeat = -1;
    this._announceTimer = 0;
    this.seatGrid = new SeatGrid(tree.grid, {
      describe: (seat) => owner.describe(seat),
      chosen: (seat) => owner.state(seat) >= SELECTED,
      row: owner.row,
      move: (seat) => this._focus(seat),
      choose: (seat) => owner.choose(seat),
      zoom: (factor) => this.picture.framing.zoomBy(factor),
      typed: (typed, found) => this._typed(typed, found),
    });
    this.pointer = new Pointer(this, owner);
    new Gestures(tree.grid, camera, this.pointer);
    this.toolbar = new Toolbar(tree.tools, (tool) => this._tool(tool));
    this.list = new SeatList(tree.listBox, owner);
    tree.grid.addEventListener("focus", () => this._ring());
    tree.grid.addEventListener("blur", () => this._ring());
    // What appears under the pointer can be closed without moving it, wherever the focus is (WCAG 1.4.13).
    this._escaped = (/** @type {KeyboardEvent} */ { key }) => {
      if (key === "Escape") this.closePopups();
    };
  }

  connect() {
    addEventListener("keydown", this._escaped);
    this.picture.connect();
  }

  disconnect() {
    removeEventListener("keydown", this._escaped);
    this.picture.disconnect();
    clearTimeout(this._countTimer);
  }

  /** A layout has arrived, or more of its seats. @param {Layout} layout */
  setLayout(layout) {
    this.picture.setLayout(layout);
    this._resetTexts(layout);
    // The seats are painted first.
    this.recount(false);
    this.picture.repaint();
  }

  /** @param {Iterable<number>} seats whose look changed */
  change(seats) {
    this.picture.change(seats);
    this.seatGrid.change(seats);
    this.list.change(seats);
    if (this._tipSeat >= 0 && !this.popups.tip.hidden) this.showTip(this._tipSeat, false);
    this.recount(false);
  }

  /** Most seats look different now. @param {Layout} layout */
  changeAll(layout) {
    this.picture.repaint();
    this.change([]);
    this.seatGrid.reset(layout);
    this.list.reset(layout);
    this.recount(true);
  }

  /** Count the free seats: at once, or soon, but not more often than `COUNT_EVERY_MS`. @param {boolean} now */
  recount(now) {
    const count = () => {
      clearTimeout(this._countTimer);
      this._countTimer = 0;
      this._countAt = performance.now();
      if (!this.picture.layout) return;
      this.picture.count();
      this.list.count();
      const { free } = this.picture.labels;
      this._tree.count.textContent = free < 0 ? "" : this._owner.i18n().t("freeCount", { n: free });
    };
    const early = this._countAt + COUNT_EVERY_MS - performance.now();
    if (now) count();
    else this._countTimer ||= setTimeout(count, Math.max(0, early));
  }

  /** Seats of the shown prices in a section as of the last count; null while that is not known, or where there are none. @param {number} section */
  counts(section) {
    const { free, bySection, seatsBySection } = this.picture.labels;
    return free >= 0 && seatsBySection[section] ? { n: bySection[section], all: seatsBySection[section] } : null;
  }

  /** @param {number} seat -1 hides it @param {boolean} fade it disappears by itself (touch) */
  showTip(seat, fade) {
    this._tipSeat = seat;
    this.popups.showTip(seat < 0 ? null : this._owner.tip(seat), this._spot(seat), fade);
  }

  /** @param {number} section -1 hides it @param {boolean} fade it disappears by itself */
  showSectionTip(section, fade) {
    this._tipSeat = -1;
    const at = this.picture.layout?.sections[section] ?? { x: 0, y: 0 };
    this.popups.showTip(section < 0 ? null : this._owner.section(section), at, fade);
  }

  /** Make a seat the active one of the keyboard. @param {number} seat */
  moveFocus(seat) {
    this.seatGrid.go(seat, false);
    this._ring();
  }

  /** Show a callout next to a seat. @param {number} seat @param {Node[]} content */
  showCallout(seat, content) {
    this.picture.framing.reveal(seat);
    this.picture.overlay.lost = seat;
    this.popups.showCallout(content, this._spot(seat));
    this.picture.wake();
  }

  /** Close what is shown about single seats. */
  closePopups() {
    this.showTip(-1, false);
    if (!this.popups.callout.hidden) this.hideCallout();
  }

  hideCallout() {
    const { callout } = this.popups;
    if (callout.contains(/** @type {ShadowRoot} */ (this._host.shadowRoot).activeElement)) this.grid.focus();
    callout.hidden = true;
    this.picture.overlay.lost = -1;
    this.picture.wake();
  }

  /** Show the list in place of the map, or the map. @param {boolean} wanted */
  showList(wanted) {
    this._tree.listBox.hidden = !wanted;
    this.field.hidden = wanted;
    this._tree.frame.classList.toggle("list-open", wanted);
    const { layout } = this.picture;
    if (wanted && layout) this.list.reset(layout);
    this.toolbar.draw(this._owner.i18n(), this.list.open);
  }

  /** Have screen readers read a text; of several in quick succession they read the last. @param {string} text */
  announce(text) {
    clearTimeout(this._announceTimer);
    this._announceTimer = setTimeout(() => {
      this._tree.polite.textContent = text;
    }, ANNOUNCE_AFTER_MS);
  }

  /** The language has changed: write all texts again. */
  relabel() {
    const i18n = this._owner.i18n();
    this._tree.help.textContent = i18n.t("mapHelp");
    this._tree.listBox.setAttribute("aria-label", i18n.t("listLabel"));
    this.toolbar.draw(i18n, this.list.open);
    const { layout } = this.picture;
    if (layout) {
      this._resetTexts(layout);
      this.recount(true);
    }
    this.picture.repaint();
  }

  // --- inside -------------------------------------------------------------------------------------------------------
  /** Write the texts of labels, grid and list again. @param {Layout} layout */
  _resetTexts(layout) {
    const i18n = this._owner.i18n();
    for (const section of layout.sections) section.title = i18n.name(section.name);
    this.picture.labels.reset(layout, i18n);
    this.seatGrid.reset(layout);
    this.list.reset(layout);
  }

  /** @param {import("./controls/toolbar.js").Tool} tool */
  _tool(tool) {
    if (tool === "zoomIn") this.picture.framing.zoomBy(ZOOM_STEP);
    else if (tool === "zoomOut") this.picture.framing.zoomBy(1 / ZOOM_STEP);
    else if (tool === "zoomFit") this.picture.framing.fit();
    else if (tool === "switchView") this._owner.switchView();
    else this.toolbar.opened(this._tree.frame.classList.toggle("key-open"));
  }

  /** The place of a seat, units of the plan. @param {number} seat */
  _spot(seat) {
    const { layout } = this.picture;
    return { x: layout?.x[seat] ?? 0, y: layout?.y[seat] ?? 0 };
  }

  /** @param {number} seat that the keyboard has moved to */
  _focus(seat) {
    this._ring();
    this.picture.framing.reveal(seat);
    this.showTip(seat, false);
  }

  _ring() {
    const { overlay } = this.picture;
    overlay.focus = this.seatGrid.active;
    overlay.focusVisible = this.grid.matches(":focus-visible");
    this.picture.wake();
  }

  /** @param {string} typed @param {boolean} found */
  _typed(typed, found) {
    const i18n = this._owner.i18n();
    this.popups.showTyping(typed && i18n.t(found ? "typing" : "noSeat", { typed }));
    if (typed && !found) this.announce(i18n.t("noSeat", { typed }));
  }
}
