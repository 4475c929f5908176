/**
 * The element's inside: its shadow tree, and the one loop in which everything is drawn. It knows how the map looks and
 * where a point lies; what a tap means is its owner's business.
 *
 * @import { Layout } from "./layout.js"
 * @import { Palette } from "./palette.js"
 * @import { Speaker } from "../i18n/i18n.js"
 */
import { h } from "../app/dom.js";
import { Camera } from "./camera.js";
import { Gestures } from "./gestures.js";
import { Labels } from "./labels.js";
import { List } from "./list.js";
import { seatAt } from "./nearby.js";
import { Notes } from "./notes.js";
import { Overlay } from "./overlay.js";
import { readPalette } from "./palette.js";
import { Rows } from "./rows.js";
import { styles } from "./styles.js";
import { Tiles } from "./tiles.js";
import { Toolbar } from "./toolbar.js";

const COUNT_EVERY_MS = 400;

/**
 * @typedef {object} Owner what the view asks and tells
 * @property {() => Speaker} say
 * @property {(seat: number) => number} state what the painter shows
 * @property {(seat: number) => number} status what the server says
 * @property {(seat: number) => boolean} dimmed
 * @property {() => Iterable<number>} own
 * @property {(seat: number) => string} describe
 * @property {(seat: number, touch: boolean) => void} choose
 * @property {(seat: number) => {title: string, detail: string}} tip
 * @property {(section: number) => {title: string, detail: string}} section
 * @property {() => void} turn the other view was asked for: list or map
 */

export class View {
  /** @param {HTMLElement} host @param {Owner} owner */
  constructor(host, owner) {
    this._host = host;
    this._owner = owner;
    const root = host.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [styles];
    this.stage = h("div", { class: "stage", "aria-hidden": "true" });
    this.labelPane = h("div", { class: "labels", "aria-hidden": "true" });
    this.canvas = h("canvas", { class: "overlay", "aria-hidden": "true" });
    this.grid = h("div", {
      class: "grid",
      role: "grid",
      tabindex: 0,
      "aria-multiselectable": "true",
      "aria-describedby": "help",
    });
    this.help = h("p", { class: "live", id: "help" });
    this.legend = h("div", { class: "legend", role: "group" });
    this.banner = h("div", { class: "banner", role: "status", hidden: true });
    this.count = h("span", { class: "count" });
    this.key = h("ul", { class: "key" });
    this.tools = h("div", { class: "tools", role: "group" });
    this.cover = h("div", { class: "cover" });
    this.polite = h("p", { class: "live", "aria-live": "polite" });
    this.camera = new Camera(() => this._moved());
    this.notes = new Notes(this.camera);
    this.field = h("div", { class: "field" }, this.stage, this.labelPane, this.canvas, this.grid);
    this.listBox = h("div", { class: "list", hidden: true, role: "group" });
    const foot = h("div", { class: "foot" }, this.count, this.key, this.tools);
    const notes = h("div", { class: "notes" }, ...this.notes.elements, this.banner);
    this.frame = h(
      "div",
      { class: "frame" },
      this.legend,
      this.field,
      this.listBox,
      notes,
      foot,
      this.cover,
      this.help,
      this.polite,
    );
    root.append(this.frame);

    /** @type {Layout | null} */
    this.layout = null;
    /** @type {Palette | null} */
    this.palette = null;
    this._frameAsked = 0;
    this._touched = false;
    this._marked = false;
    this._countAt = 0;
    this._countTimer = 0;
    this._tipSeat = -1;
    this._tipSection = -1;
    this._sayTimer = 0;
    const wake = () => this.wake();
    this.tiles = new Tiles(this.stage, this.camera, wake);
    this.overlay = new Overlay(this.canvas, this.camera, wake);
    this.labels = new Labels(this.labelPane, this.camera);
    this.rows = new Rows(this.grid, {
      describe: (seat) => owner.describe(seat),
      chosen: (seat) => owner.state(seat) >= 5,
      rowName: (row) => owner.say().t("row", { row }),
      move: (seat) => this._focus(seat),
      choose: (seat) => owner.choose(seat, false),
      zoom: (factor) => this.zoomBy(factor),
      typed: (typed, found) => this._typed(typed, found),
    });
    new Gestures(this.grid, this.camera, {
      tap: (x, y, touch) => this._tap(x, y, touch),
      press: (x, y) => this._tipAt(x, y, true),
      hover: (x, y) => this._hover(x, y),
      leave: () => this._hover(-1, -1),
    });
    this.toolbar = new Toolbar(this.tools, (tool) => this._tool(tool));
    this.list = new List(this.listBox, { ...owner, choose: (seat) => owner.choose(seat, false) });
    this.grid.addEventListener("focus", () => this._ring());
    this.grid.addEventListener("blur", () => this._ring());
    this._sized = new ResizeObserver(() => this._resize());
  }

  connect() {
    this._sized.observe(this.field);
    const motion = matchMedia("(prefers-reduced-motion: reduce)");
    this.camera.still = motion.matches;
    motion.onchange = () => (this.camera.still = motion.matches);
  }

  disconnect() {
    this._sized.disconnect();
    this.camera.stop();
    clearTimeout(this._countTimer);
  }

  wake() {
    this._frameAsked ||= requestAnimationFrame(() => this._frame());
  }

  /** The plan arrived, or more of it. @param {Layout} layout */
  setLayout(layout) {
    const first = this.layout?.id !== layout.id;
    this.layout = layout;
    this.camera.bounds = layout.bounds;
    if (first) this.palette = readPalette(this._host, layout.categories);
    if (!this._touched) this._fit();
    this.labels.reset(layout);
    this.rows.reset(layout);
    this.list.reset(layout);
    this.recount(true);
    this.repaint();
  }

  /** Other colours. */
  restyle() {
    if (!this.layout) return;
    this.palette = readPalette(this._host, this.layout.categories);
    this.repaint();
  }

  /** Paint everything again. */
  repaint() {
    const { layout, palette, _owner: owner } = this;
    if (layout && palette) this.tiles.reset({ layout, palette, state: owner.state, dimmed: owner.dimmed });
  }

  /** @param {Iterable<number>} seats whose look changed */
  change(seats) {
    this.overlay.own = this._owner.own();
    this.tiles.change(seats);
    this.rows.change(seats);
    this.list.change(seats);
    if (this._tipSeat >= 0 && !this.notes.tip.hidden) this.showTip(this._tipSeat, false);
    this.recount(false);
  }

  /** Count at once what is free, unless that was done a moment ago. @param {boolean} now even then */
  recount(now) {
    const count = () => {
      clearTimeout(this._countTimer);
      this._countTimer = 0;
      this._countAt = performance.now();
      if (!this.layout) return;
      const say = this._owner.say();
      this.labels.count(this.layout, this._owner.status, say);
      this.list.count();
      this.count.textContent = this.labels.free < 0 ? "" : say.t("freeCount", { n: this.labels.free });
      this.wake();
    };
    const early = this._countAt + COUNT_EVERY_MS - performance.now();
    if (now || early <= 0) count();
    else this._countTimer ||= setTimeout(count, early);
  }

  /** Free seats in a section as of the last count, -1 while that is not known. @param {number} section */
  free(section) {
    return this.labels.free < 0 ? -1 : this.labels.bySection[section];
  }

  /** @param {number} factor */
  zoomBy(factor) {
    this._touched = true;
    this.camera.glideZoom(this.camera.width / 2, this.camera.height / 2, factor);
  }

  fit() {
    this._touched = false;
    if (this.layout) this.camera.glideTo(this.camera.framing(this.layout.bounds));
  }

  /** Bring a seat into sight, near enough to read. @param {number} seat @param {boolean} [always] also when it is in sight */
  reveal(seat, always = false) {
    const { layout, camera } = this;
    if (!layout) return;
    const { x, y } = this.place(seat);
    const { inset } = camera;
    const inside =
      x > inset.left + 20 &&
      x < camera.width - inset.right - 20 &&
      y > inset.top + 20 &&
      y < camera.height - inset.bottom - 20;
    const near = this.tiles.seatSize >= 17;
    if (inside && near && !always) return;
    this._touched = true;
    camera.glideToPoint(layout.x[seat], layout.y[seat], near ? camera.scale : 30 / (layout.pitch * 0.86));
  }

  /** Where a seat is, CSS pixels within the element. @param {number} seat */
  place(seat) {
    const { scale, x, y } = this.camera;
    return { x: (this.layout?.x[seat] ?? 0) * scale + x, y: (this.layout?.y[seat] ?? 0) * scale + y };
  }

  /** @param {number} x @param {number} y @param {boolean} touch @returns {number} -1 for none */
  seatNear(x, y, touch) {
    const { layout, camera } = this;
    if (!layout) return -1;
    const reach = Math.max(this.tiles.seatSize * 0.62, touch ? 18 : 7) / camera.scale;
    return seatAt(layout, (x - camera.x) / camera.scale, (y - camera.y) / camera.scale, reach);
  }

  /** @param {number} seat -1 hides it @param {boolean} fade it goes by itself (touch) */
  showTip(seat, fade) {
    this._tipSeat = seat;
    this.notes.showTip(seat < 0 ? null : this._owner.tip(seat), this._spot(seat), fade);
  }

  /** Say something beside a seat. @param {number} seat @param {Node[]} content */
  showCallout(seat, content) {
    this.reveal(seat);
    this.overlay.lost = seat;
    this.notes.showCallout(content, this._spot(seat));
    this.wake();
  }

  hideCallout() {
    const { callout } = this.notes;
    if (callout.contains(/** @type {ShadowRoot} */ (this._host.shadowRoot).activeElement)) this.grid.focus();
    callout.hidden = true;
    this.overlay.lost = -1;
    this.wake();
  }

  /** The list in place of the map, or the map again. @param {boolean} wanted */
  showList(wanted) {
    this.listBox.hidden = !wanted;
    this.field.hidden = wanted;
    this.frame.classList.toggle("list-open", wanted);
    if (wanted && this.layout) this.list.reset(this.layout);
    this.toolbar.dress(this._owner.say(), this.list.open);
  }

  /** Tell screen readers; what comes in quick succession is told once, the last. @param {string} text */
  announce(text) {
    clearTimeout(this._sayTimer);
    this._sayTimer = setTimeout(() => {
      this.polite.textContent = text;
    }, 120);
  }

  /** The words of the tools, in another language. */
  relabel() {
    const say = this._owner.say();
    this.help.textContent = say.t("mapHelp");
    this.listBox.setAttribute("aria-label", say.t("listLabel"));
    this.toolbar.dress(this._owner.say(), this.list.open);
    if (this.layout) {
      this.labels.reset(this.layout);
      this.rows.reset(this.layout);
      this.list.reset(this.layout);
      this.recount(true);
    }
  }

  // --- inside -------------------------------------------------------------------------------------------------------
  /** @param {import("./toolbar.js").Tool} tool */
  _tool(tool) {
    if (tool === "zoomIn") this.zoomBy(1.6);
    else if (tool === "zoomOut") this.zoomBy(1 / 1.6);
    else if (tool === "zoomFit") this.fit();
    else if (tool === "turn") this._owner.turn();
    else this.toolbar.opened(this.frame.classList.toggle("key-open"));
  }

  /** Where a seat lies. @param {number} seat */
  _spot(seat) {
    return { x: this.layout?.x[seat] ?? 0, y: this.layout?.y[seat] ?? 0 };
  }

  _frame() {
    this._frameAsked = 0;
    const { layout, palette } = this;
    if (!layout || !palette) return;
    this.tiles.frame();
    if (!this._marked && this.tiles.begun) {
      this._marked = true;
      performance.mark("seat-map:first-seats");
    }
    const size = this.tiles.seatSize;
    this.overlay.frame(layout, palette, size);
    this.labels.frame(layout, size);
    this.notes.frame(size);
  }

  _moved() {
    this.tiles.moved();
    this.wake();
  }

  _resize() {
    const { clientWidth: width, clientHeight: height } = this.field;
    if (!width || !height) return;
    if (this._touched) {
      // What was in the middle stays in the middle.
      this.camera.x += (width - this.camera.width) / 2;
      this.camera.y += (height - this.camera.height) / 2;
    }
    this.camera.width = width;
    this.camera.height = height;
    this.overlay.resize(width, height);
    if (!this._touched) this._fit();
    this._moved();
  }

  _fit() {
    const { layout, camera } = this;
    if (!layout || camera.width <= 1) return;
    const { scale, x, y } = camera.framing(layout.bounds);
    const seat = layout.pitch * 0.86;
    camera.minScale = Math.min(scale * 0.8, 12 / seat);
    camera.maxScale = Math.max(64 / seat, scale);
    camera.stop();
    camera.scale = Math.min(scale, 44 / seat);
    camera.x = x + ((layout.bounds.left + layout.bounds.right) / 2) * (scale - camera.scale);
    camera.y = y + ((layout.bounds.top + layout.bounds.bottom) / 2) * (scale - camera.scale);
    this._moved();
  }

  /** @param {number} x @param {number} y @param {boolean} touch */
  _tap(x, y, touch) {
    this._touched = true;
    const size = this.tiles.seatSize;
    if (this.layout && size < (touch ? 19 : 11)) {
      // Too small to choose from: come nearer first.
      const wanted = touch ? 34 : 28;
      this.camera.glideZoom(x, y, Math.min(wanted / size, size < 5 ? 6 : 4));
      return;
    }
    const seat = this.seatNear(x, y, touch);
    if (seat < 0) {
      this.showTip(-1, false);
      return;
    }
    this.rows.go(seat, false);
    this._ring();
    this._owner.choose(seat, touch);
    if (touch) this.showTip(seat, true);
  }

  /** @param {number} x @param {number} y */
  _hover(x, y) {
    const far = this.tiles.seatSize < 9;
    const seat = x < 0 || far ? -1 : this.seatNear(x, y, false);
    if (far && x >= 0) {
      this._tipAt(x, y, false);
      return;
    }
    if (seat === this.overlay.hover && this._tipSection < 0) return;
    this._tipSection = -1;
    this.overlay.hover = seat;
    this.grid.classList.toggle("on-seat", seat >= 0);
    this.showTip(seat, false);
    this.wake();
  }

  // From afar a place stands for its section, near for its seat.
  /** @param {number} x @param {number} y @param {boolean} fade */
  _tipAt(x, y, fade) {
    const { layout } = this;
    const seat = this.seatNear(x, y, true);
    if (!layout || !this.labels.shown(layout, this.tiles.seatSize)) return this.showTip(seat, fade);
    const section = seat < 0 ? -1 : layout.section[seat];
    if (section === this._tipSection && !fade) return;
    this._tipSection = section;
    this._tipSeat = -1;
    this.notes.showTip(
      section < 0 ? null : this._owner.section(section),
      layout.sections[section] ?? { x: 0, y: 0 },
      fade,
    );
  }

  /** @param {number} seat the keyboard came to it */
  _focus(seat) {
    this._ring();
    this.reveal(seat);
    this.showTip(seat, false);
  }

  _ring() {
    this.overlay.focus = this.rows.active;
    this.overlay.focusVisible = this.grid.matches(":focus-visible");
    this.wake();
  }

  /** @param {string} typed @param {boolean} found */
  _typed(typed, found) {
    const say = this._owner.say();
    this.notes.showTyping(typed && say.t(found ? "typing" : "noSeat", { typed }));
    if (typed && !found) this.announce(say.t("noSeat", { typed }));
  }
}
