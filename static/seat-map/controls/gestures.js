/**
 * Turns pointer and wheel events into pan, zoom, tap, hover and long press. It moves the camera; what a tap means is
 * `pointer.js`.
 *
 * @import { Camera } from "../drawing/camera.js"
 */

import { nextSpeed, pinch, wheelFactor } from "./gesture-math.js";

/** A pointer that moves less than this is a tap, CSS pixels. */
const SLOP = 6;
const LONG_PRESS_MS = 450;
/** The map does not glide on after a drag that rested this long before its end. */
const REST_MS = 60;
/** The share of its speed that a glide keeps in each frame, and the speed at which it stops, CSS pixels a frame. */
const FRICTION = 0.94;
const SLOWEST = 0.4;
const FRAME_MS = 16;

/**
 * @typedef {object} Hooks coordinates are CSS pixels within the surface
 * @property {(x: number, y: number, touch: boolean) => void} tap
 * @property {(x: number, y: number) => void} press a long press
 * @property {(x: number, y: number) => void} hover
 * @property {() => void} leave
 */

export class Gestures {
  /** @param {HTMLElement} surface @param {Camera} camera @param {Hooks} hooks */
  constructor(surface, camera, hooks) {
    this._surface = surface;
    this._camera = camera;
    this._hooks = hooks;
    /** @type {Map<number, {x: number, y: number}>} */
    this._down = new Map();
    this._moved = false;
    this._pressTimer = 0;
    this._speed = { x: 0, y: 0, at: 0 };
    this._fling = 0;
    surface.addEventListener("pointerdown", (e) => this._start(e));
    surface.addEventListener("pointermove", (e) => this._move(e));
    surface.addEventListener("pointerup", (e) => this._end(e, true));
    surface.addEventListener("pointercancel", (e) => this._end(e, false));
    surface.addEventListener("pointerleave", () => hooks.leave());
    surface.addEventListener("wheel", (e) => this._wheel(e), { passive: false });
    surface.addEventListener("contextmenu", (e) => {
      if (this._down.size) e.preventDefault();
    });
  }

  /** @param {PointerEvent} event */
  _start(event) {
    if (event.button > 0) return;
    cancelAnimationFrame(this._fling);
    this._camera.stop();
    this._down.set(event.pointerId, this._at(event));
    this._speed = { x: 0, y: 0, at: event.timeStamp };
    if (this._down.size > 1) {
      this._moved = true;
      this._cancelPress();
      return;
    }
    this._moved = false;
    const { x, y } = this._at(event);
    if (event.pointerType !== "mouse") {
      this._pressTimer = setTimeout(() => {
        this._moved = true;
        this._hooks.press(x, y);
      }, LONG_PRESS_MS);
    }
  }

  /** @param {PointerEvent} event */
  _move(event) {
    const now = this._at(event);
    // The button was released outside of the map, before this was a drag.
    if (event.pointerType === "mouse" && !event.buttons) this._down.delete(event.pointerId);
    const before = this._down.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "mouse") this._hooks.hover(now.x, now.y);
      return;
    }
    if (!this._moved && Math.hypot(now.x - before.x, now.y - before.y) < SLOP) return;
    if (!this._moved) {
      this._moved = true;
      this._cancelPress();
      this._hooks.leave();
      // Only a drag captures the pointer: a click must still reach the element under it.
      this._surface.setPointerCapture(event.pointerId);
    }
    const others = [...this._down].filter(([id]) => id !== event.pointerId).map(([, p]) => p);
    this._down.set(event.pointerId, now);
    if (!others.length) {
      this._speed = nextSpeed(this._speed, before, now, event.timeStamp);
      this._camera.pan(now.x - before.x, now.y - before.y);
      return;
    }
    const { pan, middle, factor } = pinch(before, now, others[0]);
    this._camera.pan(pan.x, pan.y);
    this._camera.zoom(middle.x, middle.y, factor);
  }

  /** @param {PointerEvent} event @param {boolean} up */
  _end(event, up) {
    this._cancelPress();
    if (!this._down.delete(event.pointerId) || this._down.size) return;
    const { x, y } = this._at(event);
    if (!this._moved) {
      if (up) this._hooks.tap(x, y, event.pointerType !== "mouse");
    } else if (up && !this._camera.still && event.timeStamp - this._speed.at < REST_MS) this._glide();
  }

  _glide() {
    let { x, y } = { x: this._speed.x * FRAME_MS, y: this._speed.y * FRAME_MS };
    const step = () => {
      if (Math.hypot(x, y) < SLOWEST) return;
      this._camera.pan(x, y);
      x *= FRICTION;
      y *= FRICTION;
      this._fling = requestAnimationFrame(step);
    };
    step();
  }

  /** @param {WheelEvent} event */
  _wheel(event) {
    event.preventDefault();
    cancelAnimationFrame(this._fling);
    const { x, y } = this._at(event);
    this._camera.zoom(x, y, wheelFactor(event));
  }

  _cancelPress() {
    clearTimeout(this._pressTimer);
  }

  /** @param {MouseEvent} event */
  _at(event) {
    const box = this._surface.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }
}
