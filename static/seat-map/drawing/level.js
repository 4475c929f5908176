/**
 * The plan painted at one scale: a pane of canvas tiles. Tiles are created where they are in sight, and patched where a
 * seat changes.
 *
 * Tiles are opaque, so the plan at another scale below them never shows through.
 *
 * @import { Scene } from "./painter.js"
 * @import { Rect } from "../types.js"
 */
import { Painter } from "./painter.js";
import { makeBrush, Sheet } from "./sheet.js";

/** The side of a tile, device pixels. Each tile is a layer of the compositor: fewer and larger ones cost less to move. */
const SIDE_PX = 512;
/** More dirty seats than this in one tile: painting the whole tile is cheaper. */
const WHOLE_TILE = 600;
/** Tiles are brought up to date at most this often, because their whole bitmaps are replaced. */
const PATCH_EVERY_MS = 100;
/** How many columns and lines of tiles are kept around those in sight, in case the viewer returns. */
const KEEP_AROUND = 2;

/**
 * @typedef {object} Tile device pixels
 * @property {Sheet} sheet
 * @property {number} column
 * @property {number} line
 * @property {number} left of its corner in the whole picture
 * @property {number} top
 * @property {boolean} painted
 * @property {Set<number>} dirty seats to repaint
 * @property {HTMLCanvasElement | null | undefined} ground the picture under the seats; null for none, undefined while that is not known
 */

export class Level {
  /**
   * @param {Scene} scene
   * @param {number} scale CSS pixels per unit of the plan
   * @param {number} dpr device pixels per CSS pixel
   */
  constructor(scene, scale, dpr) {
    this.scale = scale;
    this.painter = new Painter(scene, scale, dpr);
    this.pane = document.createElement("div");
    this.pane.className = "pane";
    this._scene = scene;
    this._brush = makeBrush(SIDE_PX, SIDE_PX);
    /** A tile's side, CSS pixels. */
    this._css = SIDE_PX / dpr;
    this._turn = 0;
    /** When all painted tiles were brought up to date. */
    this._freshAt = 0;
    /** @type {Map<string, Tile>} */
    this._tiles = new Map();
  }

  /** Whether every painted tile is up to date. */
  get fresh() {
    for (const tile of this._tiles.values()) if (tile.painted && tile.dirty.size) return false;
    return true;
  }

  /** Whether any tile is painted. */
  get begun() {
    return this.pane.childElementCount > 0;
  }

  remove() {
    this.pane.remove();
    for (const { sheet } of this._tiles.values()) sheet.remove();
    this._tiles.clear();
  }

  /** Place the pane on the screen. @param {import("./camera.js").Camera} camera */
  place({ scale, x, y }) {
    const ratio = scale / this.scale;
    const dpr = devicePixelRatio || 1;
    // At whole device pixels the tiles are sharp.
    const at = `translate(${Math.round(x * dpr) / dpr}px, ${Math.round(y * dpr) / dpr}px)`;
    this.pane.style.transform = Math.abs(ratio - 1) < 1e-6 ? at : `${at} scale(${ratio})`;
  }

  /** @param {Iterable<number>} seats whose look changed */
  change(seats) {
    const { x: xs, y: ys } = this._scene.layout;
    const reach = this.painter.reach * this.scale;
    for (const seat of seats) {
      const x = xs[seat] * this.scale;
      const y = ys[seat] * this.scale;
      for (let line = Math.floor((y - reach) / this._css); line <= Math.floor((y + reach) / this._css); line++) {
        for (
          let column = Math.floor((x - reach) / this._css);
          column <= Math.floor((x + reach) / this._css);
          column++
        ) {
          this._tiles.get(`${column},${line}`)?.dirty.add(seat);
        }
      }
    }
  }

  /** The tiles of an area, the middle first; missing ones are created, those far from it are dropped. @param {Rect} view @returns {Tile[]} */
  want(view) {
    const range = this._range(view);
    const { left, top, right, bottom } = range;
    for (const [key, tile] of this._tiles) {
      const { column, line } = tile;
      if (
        column >= left - KEEP_AROUND &&
        column <= right + KEEP_AROUND &&
        line >= top - KEEP_AROUND &&
        line <= bottom + KEEP_AROUND
      )
        continue;
      tile.sheet.remove();
      this._tiles.delete(key);
    }
    /** @type {Tile[]} */
    const wanted = [];
    for (let line = top; line <= bottom; line++) {
      for (let column = left; column <= right; column++) wanted.push(this._tile(column, line));
    }
    /** @param {Tile} tile */
    const far = (tile) => Math.abs(tile.column - (left + right) / 2) + Math.abs(tile.line - (top + bottom) / 2);
    return wanted.sort((a, b) => far(a) - far(b));
  }

  /** Paint those of the tiles that are not painted yet. @param {Tile[]} wanted @param {number} end when to stop @returns {boolean} whether all is painted */
  paintMissing(wanted, end) {
    for (const tile of wanted) {
      if (tile.painted) continue;
      if (performance.now() > end) return false;
      this._paint(tile);
      this.pane.append(tile.sheet.canvas);
    }
    return true;
  }

  /** Bring painted tiles up to date. @param {number} end when to stop @returns {boolean} whether all are */
  paintDirty(end) {
    const tiles = [...this._tiles.values()].filter((tile) => tile.painted && tile.dirty.size);
    if (!tiles.length) return true;
    if (performance.now() < this._freshAt + PATCH_EVERY_MS) return false;
    // Each frame starts with another tile, so that no tile falls behind while changes keep coming.
    this._turn++;
    for (let n = 0; n < tiles.length; n++) {
      const tile = tiles[(n + this._turn) % tiles.length];
      if (performance.now() > end) return false;
      if (tile.dirty.size > WHOLE_TILE) this._paint(tile);
      else if (!this._patch(tile, end)) return false;
    }
    this._freshAt = performance.now();
    return true;
  }

  /** @param {Rect} view units of the plan @returns {Rect} columns and lines */
  _range(view) {
    const { bounds } = this._scene.layout;
    const k = this.scale / this._css;
    return {
      left: Math.floor(Math.max(view.left, bounds.left) * k),
      right: Math.floor(Math.min(view.right, bounds.right) * k),
      top: Math.floor(Math.max(view.top, bounds.top) * k),
      bottom: Math.floor(Math.min(view.bottom, bounds.bottom) * k),
    };
  }

  /** @param {number} column @param {number} line @returns {Tile} */
  _tile(column, line) {
    const key = `${column},${line}`;
    const found = this._tiles.get(key);
    if (found) return found;
    const sheet = new Sheet(this._brush);
    sheet.canvas.style.cssText = `width: ${this._css}px; height: ${this._css}px; left: ${column * this._css}px; top: ${line * this._css}px`;
    /** @type {Tile} */
    const tile = {
      sheet,
      column,
      line,
      left: column * SIDE_PX,
      top: line * SIDE_PX,
      painted: false,
      dirty: new Set(),
      ground: undefined,
    };
    this._tiles.set(key, tile);
    return tile;
  }

  /** @param {Tile} tile */
  _paint(tile) {
    tile.painted = true;
    tile.dirty.clear();
    tile.sheet.draw((context) => this.painter.paint(context, tile.left, tile.top, this._area(tile)), false);
  }

  /** @param {Tile} tile @param {number} end @returns {boolean} whether all of it was done */
  _patch(tile, end) {
    if (tile.ground === undefined) tile.ground = this._ground(tile);
    const { ground } = tile;
    return tile.sheet.draw((context) => {
      for (const seat of tile.dirty) {
        this.painter.patch(context, ground, tile.left, tile.top, seat);
        tile.dirty.delete(seat);
        if (tile.dirty.size % 8 === 0 && performance.now() > end) return false;
      }
      return true;
    }, true);
  }

  /** @param {Tile} tile */
  _ground(tile) {
    const brush = makeBrush(SIDE_PX, SIDE_PX);
    return this.painter.ground(brush, tile.left, tile.top, this._area(tile)) ? brush.canvas : null;
  }

  /** @param {Tile} tile @returns {Rect} in units of the plan */
  _area(tile) {
    const side = this._css / this.scale;
    return {
      left: tile.column * side,
      top: tile.line * side,
      right: (tile.column + 1) * side,
      bottom: (tile.line + 1) * side,
    };
  }
}
