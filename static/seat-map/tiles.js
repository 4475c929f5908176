/**
 * The picture of the plan as a pane of canvas tiles that the compositor moves: a pan repaints nothing, a change
 * repaints its own seat, and new tiles are painted in slices of a few milliseconds, middle first.
 *
 * While a zoom is under way the old tiles are stretched; when it rests, tiles of the new scale take over.
 *
 * @import { Camera } from "./camera.js"
 * @import { Scene } from "./painter.js"
 * @import { Rect } from "./types.js"
 */
import { Painter } from "./painter.js";

const SIDE = 256;
/** A slice of painting in one frame; leaves most of a 60 Hz frame to the rest, on a slow phone too. */
const BUDGET_MS = 5;
const REST_MS = 110;
/** More dirty seats than this in one tile: the whole tile is cheaper. */
const WHOLE_TILE = 600;

/** @typedef {{canvas: HTMLCanvasElement, context: CanvasRenderingContext2D, column: number, line: number, painted: boolean, dirty: Set<number>, ground: HTMLCanvasElement | null | undefined}} Tile */

class Level {
  /** @param {Scene} scene @param {number} scale @param {number} dpr */
  constructor(scene, scale, dpr) {
    this.scale = scale;
    this.painter = new Painter(scene, scale, dpr);
    this.pane = document.createElement("div");
    this.pane.className = "pane";
    /** @type {Map<string, Tile>} */
    this.tiles = new Map();
  }
}

export class Tiles {
  /**
   * @param {HTMLElement} stage where the panes live
   * @param {Camera} camera
   * @param {() => void} wake asks for another frame
   */
  constructor(stage, camera, wake) {
    this._stage = stage;
    this._camera = camera;
    this._wake = wake;
    /** @type {Scene | null} */
    this._scene = null;
    /** @type {Level | null} */
    this._level = null;
    /** @type {Level | null} the level that the new one will replace */
    this._old = null;
    this._restAt = 0;
    this._turn = 0;
    this._timer = 0;
  }

  /** The size of a seat on the screen now, CSS pixels. */
  get seatSize() {
    return this._scene ? this._scene.layout.pitch * this._camera.scale * 0.86 : 0;
  }

  /** Whether nothing is left to paint. */
  get settled() {
    const level = this._level;
    if (!level || this._old || Math.abs(this._camera.scale / level.scale - 1) > 1e-6) return false;
    return [...level.tiles.values()].every((tile) => tile.painted && !tile.dirty.size);
  }

  /** Begin anew: another plan, other colours, another filter. @param {Scene} scene */
  reset(scene) {
    this._scene = scene;
    this._begin();
  }

  /** @param {Iterable<number>} seats whose state changed */
  change(seats) {
    const scene = this._scene;
    for (const level of [this._level, this._old]) {
      if (!scene || !level) continue;
      const reach = level.painter.reach * level.scale;
      for (const seat of seats) {
        const x = scene.layout.x[seat] * level.scale;
        const y = scene.layout.y[seat] * level.scale;
        for (let line = Math.floor((y - reach) / SIDE); line <= Math.floor((y + reach) / SIDE); line++) {
          for (let column = Math.floor((x - reach) / SIDE); column <= Math.floor((x + reach) / SIDE); column++) {
            level.tiles.get(`${column},${line}`)?.dirty.add(seat);
          }
        }
      }
    }
    this._wake();
  }

  /** Called when the camera moved. */
  moved() {
    this._restAt = performance.now() + REST_MS;
    this._wake();
  }

  /** One frame: put the panes in place and paint for a moment. */
  frame() {
    const level = this._level;
    if (!level) return;
    const ratio = this._camera.scale / level.scale;
    if (Math.abs(ratio - 1) > 1e-6) {
      const rested = performance.now() >= this._restAt && !this._camera.gliding;
      if (rested || ratio > 2.2 || ratio < 0.45) return this._begin();
      clearTimeout(this._timer);
      this._timer = setTimeout(() => this._wake(), REST_MS);
    }
    for (const each of [this._old, level]) if (each) this._place(each);
    const end = performance.now() + BUDGET_MS;
    const wanted = this._wanted(level);
    this._paintDirty(level, end);
    this._paintNew(level, wanted, end);
    if (this._old && wanted.every((tile) => tile.painted)) {
      this._old.pane.remove();
      this._old = null;
    }
  }

  _begin() {
    if (!this._scene) return;
    const dpr = Math.min(2.5, devicePixelRatio || 1);
    this._old?.pane.remove();
    this._old = this._level;
    this._level = new Level(this._scene, this._camera.scale, dpr);
    this._stage.append(this._level.pane);
    this._place(this._level);
    if (this._old) this._place(this._old);
    this._wake();
  }

  /** @param {Level} level */
  _place(level) {
    const ratio = this._camera.scale / level.scale;
    const dpr = devicePixelRatio || 1;
    // Whole device pixels keep resting tiles sharp.
    const x = Math.round(this._camera.x * dpr) / dpr;
    const y = Math.round(this._camera.y * dpr) / dpr;
    level.pane.style.transform = Math.abs(ratio - 1) < 1e-6 ? `translate(${x}px, ${y}px)` : `translate(${x}px, ${y}px) scale(${ratio})`;
  }

  /** The tiles in sight, made where missing, middle first. @param {Level} level @returns {Tile[]} */
  _wanted(level) {
    const { view } = this._camera;
    const { bounds } = /** @type {Scene} */ (this._scene).layout;
    const k = level.scale / SIDE;
    const range = {
      left: Math.floor(Math.max(view.left, bounds.left) * k),
      right: Math.floor(Math.min(view.right, bounds.right) * k),
      top: Math.floor(Math.max(view.top, bounds.top) * k),
      bottom: Math.floor(Math.min(view.bottom, bounds.bottom) * k),
    };
    for (const [key, tile] of level.tiles) {
      if (tile.column < range.left - 2 || tile.column > range.right + 2 || tile.line < range.top - 2 || tile.line > range.bottom + 2) {
        tile.canvas.remove();
        level.tiles.delete(key);
      }
    }
    /** @type {Tile[]} */
    const wanted = [];
    for (let line = range.top; line <= range.bottom; line++) {
      for (let column = range.left; column <= range.right; column++) {
        const key = `${column},${line}`;
        let tile = level.tiles.get(key);
        if (!tile) {
          tile = this._make(column, line);
          level.tiles.set(key, tile);
        }
        wanted.push(tile);
      }
    }
    const middle = { column: (range.left + range.right) / 2, line: (range.top + range.bottom) / 2 };
    /** @param {Tile} t */
    const far = (t) => Math.abs(t.column - middle.column) + Math.abs(t.line - middle.line);
    return wanted.sort((a, b) => far(a) - far(b));
  }

  /** @param {number} column @param {number} line @returns {Tile} */
  _make(column, line) {
    const dpr = Math.min(2.5, devicePixelRatio || 1);
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = Math.round(SIDE * dpr);
    canvas.style.width = canvas.style.height = `${SIDE}px`;
    canvas.style.left = `${column * SIDE}px`;
    canvas.style.top = `${line * SIDE}px`;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    return { canvas, context, column, line, painted: false, dirty: new Set(), ground: undefined };
  }

  /** @param {Level} level @param {number} end */
  _paintDirty(level, end) {
    const tiles = [...level.tiles.values()].filter((tile) => tile.painted && tile.dirty.size);
    // Another tile begins in each frame: under a storm that never ends, none is left behind.
    this._turn++;
    for (let n = 0; n < tiles.length; n++) {
      const tile = tiles[(n + this._turn) % tiles.length];
      if (performance.now() > end) return this._wake();
      if (tile.dirty.size > WHOLE_TILE) this._paint(level, tile);
      else if (!this._patch(level, tile, end)) return this._wake();
    }
  }

  /** @param {Level} level @param {Tile} tile @param {number} end @returns {boolean} whether all of it was done */
  _patch(level, tile, end) {
    const [left, top] = [tile.column * tile.canvas.width, tile.line * tile.canvas.width];
    if (tile.ground === undefined) tile.ground = this._ground(level, tile, left, top);
    for (const seat of tile.dirty) {
      level.painter.patch(tile.context, tile.ground, left, top, seat);
      tile.dirty.delete(seat);
      if (tile.dirty.size % 8 === 0 && performance.now() > end) return false;
    }
    return true;
  }

  /** @param {Level} level @param {Tile} tile @param {number} left @param {number} top */
  _ground(level, tile, left, top) {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = tile.canvas.width;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    return level.painter.ground(context, left, top, this._area(level, tile)) ? canvas : null;
  }

  /** @param {Level} level @param {Tile[]} wanted @param {number} end */
  _paintNew(level, wanted, end) {
    for (const tile of wanted) {
      if (tile.painted) continue;
      if (performance.now() > end) return this._wake();
      this._paint(level, tile);
      level.pane.append(tile.canvas);
    }
  }

  /** @param {Level} level @param {Tile} tile */
  _paint(level, tile) {
    tile.painted = true;
    tile.dirty.clear();
    level.painter.paint(tile.context, tile.column * tile.canvas.width, tile.line * tile.canvas.width, this._area(level, tile));
  }

  /** @param {Level} level @param {Tile} tile @returns {Rect} in units of the plan */
  _area(level, tile) {
    const side = SIDE / level.scale;
    return { left: tile.column * side, top: tile.line * side, right: (tile.column + 1) * side, bottom: (tile.line + 1) * side };
  }
}
