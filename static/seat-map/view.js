/**
 * Joins the parts that draw the map and those that take input: the one loop in which everything is drawn, and what each
 * part needs to know of the others. What choosing a seat means is decided by its owner, `seat-map.js`.
 *
 * @import { Layout } from "./layout.js"
 * @import { Palette } from "./drawing/palette.js"
 * @import { Translator } from "../i18n/i18n.js"
 */
import { Gestures } from "./controls/gestures.js";
import { Pointer } from "./controls/pointer.js";
import { Popups } from "./controls/popups.js";
import { SeatGrid } from "./controls/seat-grid.js";
import { SeatList } from "./controls/seat-list.js";
import { Toolbar } from "./controls/toolbar.js";
import { Camera } from "./drawing/camera.js";
import { Framing } from "./drawing/framing.js";
import { Labels } from "./drawing/labels.js";
import { Overlay } from "./drawing/overlay.js";
import { readPalette } from "./drawing/palette.js";
import { Ruler } from "./drawing/ruler.js";
import { Tiles } from "./drawing/tiles.js";
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
 * @property {() => Iterable<number>} own the viewer's own seats
 * @property {(seat: number) => string} describe a seat in words
 * @property {(seat: number) => void} choose a seat was chosen, or removed
 * @property {(seat: number) => {title: string, detail: string}} tip
 * @property {(section: number) => {title: string, detail: string}} section
 * @property {() => void} switchView the viewer wants the list in place of the map, or the map again
 */

export class View {
  /** @param {HTMLElement} host @param {Owner} owner */
  constructor(host, owner) {
    this._host = host;
    this._owner = owner;
    this.camera = new Camera(() => this._moved());
    this.framing = new Framing(this.camera);
    this.popups = new Popups(this.camera);
    const tree = shadowTree(host, this.popups.elements);
    this._tree = tree;
    this.grid = tree.grid;
    this.field = tree.field;
    this.legend = tree.legend;
    this.key = tree.key;
    this.banner = tree.banner;
    this.cover = tree.cover;

    /** @type {Layout | null} */
    this.layout = null;
    /** @type {Palette | null} */
    this.palette = null;
    this._frameAsked = 0;
    /** @type {Set<string>} */
    this._marked = new Set();
    this._countAt = 0;
    this._countTimer = 0;
    this._tipSeat = -1;
    this._announceTimer = 0;
    const wake = () => this.wake();
    this.tiles = new Tiles(tree.stage, this.camera, wake);
    this.overlay = new Overlay(tree.canvas, this.camera, wake);
    this.labels = new Labels(tree.labelPane, this.camera);
    this.ruler = new Ruler(this.camera);
    tree.field.append(this.ruler.element);
    this.seatGrid = new SeatGrid(tree.grid, {
      describe: (seat) => owner.describe(seat),
      chosen: (seat) => owner.state(seat) >= SELECTED,
      rowName: (row) => owner.i18n().t("row", { row }),
      move: (seat) => this._focus(seat),
      choose: (seat) => owner.choose(seat),
      zoom: (factor) => this.framing.zoomBy(factor),
      typed: (typed, found) => this._typed(typed, found),
    });
    this.pointer = new Pointer(this, owner);
    new Gestures(tree.grid, this.camera, this.pointer);
    this.toolbar = new Toolbar(tree.tools, (tool) => this._tool(tool));
    this.list = new SeatList(tree.listBox, owner);
    tree.grid.addEventListener("focus", () => this._ring());
    tree.grid.addEventListener("blur", () => this._ring());
    this._sized = new ResizeObserver(() => this._resize());
    /** @type {MediaQueryList | null} */
    this._ratio = null;
    // What appears under the pointer can be closed without moving it, wherever the focus is (WCAG 1.4.13).
    this._escaped = (/** @type {KeyboardEvent} */ { key }) => {
      if (key !== "Escape") return;
      this.showTip(-1, false);
      if (!this.popups.callout.hidden) this.hideCallout();
    };
  }

  connect() {
    this._sized.observe(this.field);
    addEventListener("keydown", this._escaped);
    const motion = matchMedia("(prefers-reduced-motion: reduce)");
    this.camera.still = motion.matches;
    motion.onchange = () => {
      this.camera.still = motion.matches;
    };
    this._followPixelRatio();
  }

  // The ratio changes with the browser's zoom, and when the window moves to another screen.
  _followPixelRatio() {
    this._ratio = matchMedia(`(resolution: ${devicePixelRatio || 1}dppx)`);
    this._ratio.onchange = () => {
      this._followPixelRatio();
      this._resize();
      this.repaint();
    };
  }

  disconnect() {
    this._sized.disconnect();
    removeEventListener("keydown", this._escaped);
    if (this._ratio) this._ratio.onchange = null;
    this.camera.stop();
    clearTimeout(this._countTimer);
  }

  wake() {
    this._frameAsked ||= requestAnimationFrame(() => this._frame());
  }

  /** A layout has arrived, or more of its seats. @param {Layout} layout */
  setLayout(layout) {
    const first = this.layout?.id !== layout.id;
    // The first report of the map's size comes after the first frame.
    if (!this.camera.sized) this._resize();
    this.layout = layout;
    if (first) this.palette = readPalette(this._host, layout);
    this.framing.setLayout(layout);
    if (!this.framing.moved) this._moved();
    this._resetTexts(layout);
    // The seats are painted first.
    this.recount(false);
    this.repaint();
  }

  /** The theme has changed: read the colours again. */
  restyle() {
    if (!this.layout) return;
    this.palette = readPalette(this._host, this.layout);
    this.repaint();
  }

  /** Paint everything again. */
  repaint() {
    const { layout, palette, _owner: owner } = this;
    if (!layout || !palette) return;
    const name = (/** @type {string} */ text) => owner.i18n().name(text);
    this.tiles.reset({ layout, palette, state: owner.state, dimmed: owner.dimmed, name });
  }

  /** @param {Iterable<number>} seats whose look changed */
  change(seats) {
    this.overlay.own = this._owner.own();
    this.tiles.change(seats);
    this.seatGrid.change(seats);
    this.list.change(seats);
    if (this._tipSeat >= 0 && !this.popups.tip.hidden) this.showTip(this._tipSeat, false);
    this.recount(false);
  }

  /** Most seats look different now. @param {Layout} layout */
  changeAll(layout) {
    this.repaint();
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
      if (!this.layout) return;
      const i18n = this._owner.i18n();
      this.labels.count(this.layout, this._owner.status, this._owner.dimmed, i18n);
      this.list.count();
      this._tree.count.textContent = this.labels.free < 0 ? "" : i18n.t("freeCount", { n: this.labels.free });
      this.wake();
    };
    const early = this._countAt + COUNT_EVERY_MS - performance.now();
    if (now) count();
    else this._countTimer ||= setTimeout(count, Math.max(0, early));
  }

  /** Free seats in a section as of the last count, -1 while that is not known. @param {number} section */
  free(section) {
    return this.labels.free < 0 ? -1 : this.labels.bySection[section];
  }

  /** @param {number} seat -1 hides it @param {boolean} fade it disappears by itself (touch) */
  showTip(seat, fade) {
    this._tipSeat = seat;
    this.popups.showTip(seat < 0 ? null : this._owner.tip(seat), this._spot(seat), fade);
  }

  /** @param {number} section -1 hides it @param {boolean} fade it disappears by itself */
  showSectionTip(section, fade) {
    this._tipSeat = -1;
    const at = this.layout?.sections[section] ?? { x: 0, y: 0 };
    this.popups.showTip(section < 0 ? null : this._owner.section(section), at, fade);
  }

  /** Make a seat the active one of the keyboard. @param {number} seat */
  moveFocus(seat) {
    this.seatGrid.go(seat, false);
    this._ring();
  }

  /** Show a callout next to a seat. @param {number} seat @param {Node[]} content */
  showCallout(seat, content) {
    this.framing.reveal(seat);
    this.overlay.lost = seat;
    this.popups.showCallout(content, this._spot(seat));
    this.wake();
  }

  hideCallout() {
    const { callout } = this.popups;
    if (callout.contains(/** @type {ShadowRoot} */ (this._host.shadowRoot).activeElement)) this.grid.focus();
    callout.hidden = true;
    this.overlay.lost = -1;
    this.wake();
  }

  /** Show the list in place of the map, or the map. @param {boolean} wanted */
  showList(wanted) {
    this._tree.listBox.hidden = !wanted;
    this.field.hidden = wanted;
    this._tree.frame.classList.toggle("list-open", wanted);
    if (wanted && this.layout) this.list.reset(this.layout);
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
    this.toolbar.draw(this._owner.i18n(), this.list.open);
    if (this.layout) {
      this._resetTexts(this.layout);
      this.recount(true);
    }
    this.repaint();
  }

  // --- inside -------------------------------------------------------------------------------------------------------
  /** Write the texts of labels, grid and list again. @param {Layout} layout */
  _resetTexts(layout) {
    this.labels.reset(layout, this._owner.i18n());
    this.seatGrid.reset(layout);
    this.list.reset(layout);
  }

  /** @param {import("./controls/toolbar.js").Tool} tool */
  _tool(tool) {
    if (tool === "zoomIn") this.framing.zoomBy(ZOOM_STEP);
    else if (tool === "zoomOut") this.framing.zoomBy(1 / ZOOM_STEP);
    else if (tool === "zoomFit") this.framing.fit();
    else if (tool === "switchView") this._owner.switchView();
    else this.toolbar.opened(this._tree.frame.classList.toggle("key-open"));
  }

  /** The place of a seat, units of the plan. @param {number} seat */
  _spot(seat) {
    return { x: this.layout?.x[seat] ?? 0, y: this.layout?.y[seat] ?? 0 };
  }

  _frame() {
    this._frameAsked = 0;
    const { layout, palette } = this;
    if (!layout || !palette) return;
    this.tiles.frame();
    if (this.tiles.begun) this.mark("first-seats");
    if (layout.complete && this.tiles.settled) this.mark("painted");
    const size = this.tiles.seatSize;
    this.overlay.frame(layout, palette, size);
    this.labels.frame(layout, size);
    this.ruler.frame(layout, size, this._owner.i18n());
    this.popups.frame(size);
  }

  /** For measurements: note the time at which this is reached for the first time. @param {string} what */
  mark(what) {
    if (this._marked.has(what)) return;
    this._marked.add(what);
    performance.mark(`seat-map:${what}`);
  }

  _moved() {
    this.tiles.moved();
    this.wake();
  }

  _resize() {
    const { clientWidth: width, clientHeight: height } = this.field;
    if (!width || !height) return;
    this.framing.resize(width, height);
    this.overlay.resize(width, height);
    this._moved();
  }

  /** @param {number} seat that the keyboard has moved to */
  _focus(seat) {
    this._ring();
    this.framing.reveal(seat);
    this.showTip(seat, false);
  }

  _ring() {
    this.overlay.focus = this.seatGrid.active;
    this.overlay.focusVisible = this.grid.matches(":focus-visible");
    this.wake();
  }

  /** @param {string} typed @param {boolean} found */
  _typed(typed, found) {
    const i18n = this._owner.i18n();
    this.popups.showTyping(typed && i18n.t(found ? "typing" : "noSeat", { typed }));
    if (typed && !found) this.announce(i18n.t("noSeat", { typed }));
  }
}
