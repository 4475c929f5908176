/**
 * The picture of the plan: a level of tiles at the current scale, and below it a small picture of the whole plan.
 *
 * The compositor moves both, so a pan paints only what comes into sight. During a zoom nothing is painted: the tiles
 * are stretched, and beyond them the small picture shows. After the zoom, tiles of the new scale replace the old ones;
 * they are painted in slices of a few milliseconds, the middle first.
 *
 * @import { Camera } from "./camera.js"
 * @import { Scene } from "./painter.js"
 * @import { Layout } from "../layout.js"
 */
import { Level } from "./level.js";
import { WholePlan } from "./whole-plan.js";

/** The time for painting in one frame: a third of a 60 Hz frame, so that a slow phone stays responsive. */
const BUDGET_MS = 5;
const REST_MS = 110;
/** What the first gesture needs is prepared so long after the first painting: the connection comes first. */
const PREPARE_MS = 700;
/** The longest part of the preparation without a pause. */
const SLICE_MS = 8;

export class Tiles {
  /**
   * @param {HTMLElement} stage parent of the panes
   * @param {Camera} camera
   * @param {() => void} wake asks for another frame
   */
  constructor(stage, camera, wake) {
    this._stage = stage;
    this._camera = camera;
    this._wake = wake;
    /** @type {Scene | null} */
    this._scene = null;
    /** @type {WholePlan | null} */
    this._wholePlan = null;
    /** @type {Level | null} */
    this._level = null;
    /** @type {Level | null} the level that the new one will replace */
    this._old = null;
    /** Whether everything in sight is painted at the current scale. */
    this._covered = false;
    /** Whether everything in sight was painted once. */
    this._shown = false;
    this._restAt = 0;
    this._timer = 0;
  }

  /** The size of a seat on the screen, CSS pixels. */
  get seatSize() {
    return this._scene ? this._scene.layout.seatSize * this._camera.scale : 0;
  }

  /** Whether the first seats are painted. */
  get begun() {
    return this._level?.begun ?? false;
  }

  /** Whether nothing is left to paint. */
  get settled() {
    const level = this._level;
    return !!level && this._covered && this._camera.scale === level.scale && level.fresh;
  }

  /** Start again with another plan, other colours or another filter. @param {Scene} scene */
  reset(scene) {
    this._scene = scene;
    this._wholePlan?.remove();
    this._wholePlan = new WholePlan(scene, this._camera);
    this._stage.prepend(this._wholePlan.pane);
    this._begin();
  }

  /** @param {Iterable<number>} seats whose state changed */
  change(seats) {
    for (const level of [this._level, this._old]) level?.change(seats);
    this._wholePlan?.change(seats);
    this._wake();
  }

  /** Called when the camera moved. */
  moved() {
    this._covered = false;
    this._restAt = performance.now() + REST_MS;
    this._wake();
  }

  /** Draw one frame: place the panes, and paint until the time is used up. */
  frame() {
    const { _level: level, _camera: camera } = this;
    if (!level) return this._begin();
    const end = performance.now() + BUDGET_MS;
    if (camera.scale !== level.scale && this._rested()) return this._begin();
    for (const each of [this._old, level]) each?.place(camera);
    const fresh = level.paintDirty(end) && (this._old?.paintDirty(end) ?? true);
    const whole = camera.scale === level.scale && this._complete(level, end);
    this._covered = whole;
    if (whole && !this._shown && this._scene?.layout.complete) {
      const { layout } = this._scene;
      this._shown = true;
      setTimeout(() => {
        this._wholePlan?.paint();
        prepare(layout);
      }, PREPARE_MS);
    }
    this._wholePlan?.frame(this._shown && !whole);
    if (whole) {
      this._old?.remove();
      this._old = null;
    }
    if (!fresh || (camera.scale === level.scale && !whole)) this._wake();
  }

  /** Whether all tiles in sight are painted now. @param {Level} level @param {number} end */
  _complete(level, end) {
    return level.paintMissing(level.want(this._camera.view), end);
  }

  /** Whether the camera rests; if not, ask for another frame later. */
  _rested() {
    const left = this._restAt - performance.now();
    if (left <= 0 && !this._camera.gliding) return true;
    clearTimeout(this._timer);
    this._timer = setTimeout(() => this._wake(), Math.max(16, left));
    return false;
  }

  _begin() {
    if (!this._scene || !this._camera.sized) return;
    this._covered = false;
    const dpr = Math.min(2.5, devicePixelRatio || 1);
    this._old?.remove();
    this._old = this._level;
    this._level = new Level(this._scene, this._camera.scale, dpr);
    this._stage.append(this._level.pane);
    for (const level of [this._old, this._level]) level?.place(this._camera);
    this._wholePlan?.frame(this._shown);
    this._wake();
  }
}

/** Measure what closer views of a layout need, while the browser has nothing else to do. @param {Layout} layout */
function prepare(layout) {
  if (layout.prepare(performance.now() + SLICE_MS)) return;
  // Safari has no idle callbacks.
  const later = window.requestIdleCallback ?? setTimeout;
  later(() => prepare(layout));
}
