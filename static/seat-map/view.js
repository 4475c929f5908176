/**
 * The element's inside: its shadow tree, and the one loop in which everything is drawn. It knows how the map looks and
 * where a point lies; what a tap means is its owner's business.
 *
 * @import { Layout } from "./layout.js"
 * @import { Palette } from "./palette.js"
 * @import { Speaker } from "../i18n/i18n.js"
 */
import { h, icon } from "../app/dom.js";
import { Camera } from "./camera.js";
import { Gestures } from "./gestures.js";
import { Labels } from "./labels.js";
import { seatAt } from "./nearby.js";
import { Overlay } from "./overlay.js";
import { readPalette } from "./palette.js";
import { Rows } from "./rows.js";
import { styles } from "./styles.js";
import { Tiles } from "./tiles.js";

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
    this.grid = h("div", { class: "grid", role: "grid", tabindex: 0, "aria-multiselectable": "true", "aria-describedby": "help" });
    this.help = h("p", { class: "live", id: "help" });
    this.legend = h("div", { class: "legend", role: "group" });
    this.banner = h("div", { class: "banner", role: "status", hidden: true });
    this.key = h("ul", { class: "key" });
    this.tools = h("div", { class: "tools" });
    this.tip = h("div", { class: "tip", hidden: true, "aria-hidden": "true" });
    this.callout = h("div", { class: "callout", role: "alertdialog", hidden: true });
    this.typing = h("div", { class: "typing", hidden: true, "aria-hidden": "true" });
    this.cover = h("div", { class: "cover" });
    this.polite = h("p", { class: "live", "aria-live": "polite" });
    const top = h("div", { class: "top" }, this.legend, this.banner);
    const foot = h("div", { class: "foot" }, this.key, this.tools);
    this.frame = h("div", { class: "frame" }, this.stage, this.labelPane, this.canvas, this.grid, top, foot, this.tip, this.callout, this.typing, this.cover, this.help, this.polite);
    root.append(this.frame);

    /** @type {Layout | null} */
    this.layout = null;
    /** @type {Palette | null} */
    this.palette = null;
    this._frameAsked = 0;
    this._touched = false;
    this._countAt = 0;
    this._countTimer = 0;
    this._tipSeat = -1;
    this._tipTimer = 0;
    this._calloutSeat = -1;
    this._sayTimer = 0;
    const wake = () => this.wake();
    this.camera = new Camera(() => this._moved());
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
      press: (x, y) => this.showTip(this.seatNear(x, y, true), true),
      hover: (x, y) => this._hover(x, y),
      leave: () => this._hover(-1, -1),
    });
    this.grid.addEventListener("focus", () => this._ring());
    this.grid.addEventListener("blur", () => this._ring());
    this._sized = new ResizeObserver(() => this._resize());
  }

  connect() {
    this._sized.observe(this._host);
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
    if (this._tipSeat >= 0 && !this.tip.hidden) this.showTip(this._tipSeat, false);
    this.recount(false);
  }

  /** @param {boolean} now */
  recount(now) {
    const count = () => {
      this._countTimer = 0;
      if (!this.layout) return;
      this.labels.count(this.layout, this._owner.status, this._owner.say());
      this.wake();
    };
    if (now) count();
    else this._countTimer ||= setTimeout(count, COUNT_EVERY_MS);
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
    const inside = x > inset.left + 20 && x < camera.width - inset.right - 20 && y > inset.top + 20 && y < camera.height - inset.bottom - 20;
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
    clearTimeout(this._tipTimer);
    this._tipSeat = seat;
    this.tip.hidden = seat < 0 || seat === this._calloutSeat;
    if (this.tip.hidden) return;
    const { title, detail } = this._owner.tip(seat);
    this.tip.replaceChildren(h("b", {}, title), h("span", {}, detail));
    this._anchor(this.tip, seat);
    if (fade) this._tipTimer = setTimeout(() => this.showTip(-1, false), 2600);
  }

  /** Say something beside a seat. @param {number} seat @param {Node[]} content */
  showCallout(seat, content) {
    this._calloutSeat = seat;
    this.callout.replaceChildren(...content);
    this.callout.hidden = false;
    this.showTip(-1, false);
    this.reveal(seat);
    this._anchor(this.callout, seat);
    this.wake();
  }

  hideCallout() {
    if (this.callout.contains(/** @type {ShadowRoot} */ (this._host.shadowRoot).activeElement)) this.grid.focus();
    this._calloutSeat = -1;
    this.callout.hidden = true;
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
    /** @param {string} name @param {string} sign @param {() => void} act */
    const tool = (name, sign, act) => h("button", { type: "button", "aria-label": say.t(name), title: say.t(name), onclick: act }, icon(sign));
    this.tools.replaceChildren(
      tool("zoomIn", "plus", () => this.zoomBy(1.6)),
      tool("zoomOut", "minus", () => this.zoomBy(1 / 1.6)),
      tool("zoomFit", "fit", () => this.fit()),
    );
    if (this.layout) {
      this.labels.reset(this.layout);
      this.rows.reset(this.layout);
      this.recount(true);
    }
  }

  // --- inside -------------------------------------------------------------------------------------------------------
  _frame() {
    this._frameAsked = 0;
    const { layout, palette } = this;
    if (!layout || !palette) return;
    this.tiles.frame();
    const size = this.tiles.seatSize;
    this.overlay.frame(layout, palette, size);
    this.labels.frame(layout, size);
    if (!this.tip.hidden) this._anchor(this.tip, this._tipSeat);
    if (!this.callout.hidden) this._anchor(this.callout, this._calloutSeat);
  }

  _moved() {
    this.tiles.moved();
    this.wake();
  }

  _resize() {
    const { clientWidth: width, clientHeight: height } = this._host;
    if (!width || !height) return;
    if (this._touched) {
      // What was in the middle stays in the middle.
      this.camera.x += (width - this.camera.width) / 2;
      this.camera.y += (height - this.camera.height) / 2;
    }
    this.camera.width = width;
    this.camera.height = height;
    const narrow = width < 560;
    this.camera.inset = { left: 14, right: narrow ? 14 : 66, top: 66, bottom: narrow ? 18 : 54 };
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
    const seat = x < 0 || this.tiles.seatSize < 9 ? -1 : this.seatNear(x, y, false);
    if (seat === this.overlay.hover) return;
    this.overlay.hover = seat;
    this.grid.classList.toggle("on-seat", seat >= 0);
    this.showTip(seat, false);
    this.wake();
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
    this.typing.hidden = !typed;
    this.typing.textContent = say.t(found ? "typing" : "noSeat", { typed });
    if (typed && !found) this.announce(say.t("noSeat", { typed }));
  }

  // Beside the seat where there is room: above it, else below.
  /** @param {HTMLElement} box @param {number} seat */
  _anchor(box, seat) {
    const { x, y } = this.place(seat);
    const { width, height } = this.camera;
    const half = this.tiles.seatSize / 2 + 8;
    const [w, tall] = [box.offsetWidth, box.offsetHeight];
    const left = Math.max(8, Math.min(width - w - 8, x - w / 2));
    const above = y - half - tall;
    const top = Math.max(8, Math.min(height - tall - 8, above > 8 ? above : y + half));
    box.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }
}
