/**
 * The picture of the map: its layers, and the one loop that draws a frame of all of them. It takes no input; it follows
 * the camera, the size of the map and the theme. Nothing is drawn while nothing changes.
 *
 * @import { Layout } from "../layout.js"
 * @import { Camera } from "./camera.js"
 * @import { Palette } from "./palette.js"
 */
import { Framing } from "./framing.js";
import { Labels } from "./labels.js";
import { Overlay } from "./overlay.js";
import { readPalette } from "./palette.js";
import { Ruler } from "./ruler.js";
import { Tiles } from "./tiles.js";

export class Picture {
  /**
   * @param {HTMLElement} host whose style has the colours
   * @param {ReturnType<import("../shadow-tree.js").shadowTree>} tree
   * @param {Camera} camera calls `moved`
   * @param {import("../view.js").Owner} owner knows the seats' states and the language
   * @param {(size: number) => void} drawn called in each frame with the size of a seat on the screen, CSS pixels
   */
  constructor(host, tree, camera, owner, drawn) {
    this._host = host;
    this._field = tree.field;
    this.camera = camera;
    this._owner = owner;
    this._drawn = drawn;
    /** @type {Layout | null} */
    this.layout = null;
    /** @type {Palette | null} */
    this.palette = null;
    const wake = () => this.wake();
    this.framing = new Framing(camera);
    this.tiles = new Tiles(tree.stage, camera, wake);
    this.overlay = new Overlay(tree.canvas, camera, wake);
    this.labels = new Labels(tree.labelPane, camera);
    this._ruler = new Ruler(camera);
    tree.field.append(this._ruler.element);
    this._frameAsked = 0;
    /** @type {Set<string>} */
    this._marked = new Set();
    this._sized = new ResizeObserver(() => this._resize());
    /** @type {MediaQueryList | null} */
    this._ratio = null;
  }

  connect() {
    this._sized.observe(this._field);
    const motion = matchMedia("(prefers-reduced-motion: reduce)");
    this.camera.still = motion.matches;
    motion.onchange = () => {
      this.camera.still = motion.matches;
    };
    this._followPixelRatio();
  }

  disconnect() {
    this._sized.disconnect();
    if (this._ratio) this._ratio.onchange = null;
    this.camera.stop();
  }

  /** Ask for a frame. */
  wake() {
    this._frameAsked ||= requestAnimationFrame(() => this._frame());
  }

  /** Frame a layout, or more seats of the present one; `repaint` paints it. @param {Layout} layout */
  setLayout(layout) {
    const first = this.layout?.id !== layout.id;
    // The first report of the map's size comes after the first frame.
    if (!this.camera.sized) this._resize();
    this.layout = layout;
    if (first) {
      this.palette = readPalette(this._host, layout);
      this.framing.moved = false;
    }
    this.framing.setLayout(layout);
    if (!this.framing.moved) this.moved();
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
  }

  /** Count the free seats, and write the numbers into the labels. */
  count() {
    const owner = this._owner;
    if (this.layout) this.labels.count(this.layout, owner.status, owner.dimmed, owner.i18n());
    this.wake();
  }

  /** For measurements: note the time at which this is reached for the first time. @param {string} what */
  mark(what) {
    if (this._marked.has(what)) return;
    this._marked.add(what);
    performance.mark(`seat-map:${what}`);
  }

  /** The camera shows another part of the plan. */
  moved() {
    this.tiles.moved();
    this.overlay.moved();
    this.wake();
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
    this._ruler.frame(layout, size);
    this._drawn(size);
  }

  _resize() {
    const { clientWidth: width, clientHeight: height } = this._field;
    if (!width || !height) return;
    this.framing.resize(width, height);
    this.overlay.resize(width, height);
    this.labels.resize();
    this.moved();
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
}
