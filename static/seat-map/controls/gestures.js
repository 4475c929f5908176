/**
 * Turns pointers and the wheel into pan, zoom, tap, hover and long press. It moves the camera and decides nothing else.
 *
 * @import { Camera } from "../drawing/camera.js"
 */

const SLOP = 6;
const LONG_PRESS_MS = 450;
const FRICTION = 0.94;

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
      // Only a drag takes the pointer: a click must still reach what lies under it.
      this._surface.setPointerCapture(event.pointerId);
    }
    const others = [...this._down].filter(([id]) => id !== event.pointerId).map(([, p]) => p);
    this._down.set(event.pointerId, now);
    if (!others.length) {
      const dt = Math.max(1, event.timeStamp - this._speed.at);
      const mix = 0.7;
      this._speed = {
        x: this._speed.x * (1 - mix) + ((now.x - before.x) / dt) * mix,
        y: this._speed.y * (1 - mix) + ((now.y - before.y) / dt) * mix,
        at: event.timeStamp,
      };
      this._camera.pan(now.x - before.x, now.y - before.y);
      return;
    }
    const other = others[0];
    const was = Math.hypot(before.x - other.x, before.y - other.y) || 1;
    const is = Math.hypot(now.x - other.x, now.y - other.y) || 1;
    this._camera.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
    this._camera.zoom((now.x + other.x) / 2, (now.y + other.y) / 2, is / was);
  }

  /** @param {PointerEvent} event @param {boolean} up */
  _end(event, up) {
    this._cancelPress();
    if (!this._down.delete(event.pointerId) || this._down.size) return;
    const { x, y } = this._at(event);
    if (!this._moved) {
      if (up) this._hooks.tap(x, y, event.pointerType !== "mouse");
    } else if (up && !this._camera.still && event.timeStamp - this._speed.at < 60) this._glide();
  }

  _glide() {
    let { x, y } = { x: this._speed.x * 16, y: this._speed.y * 16 };
    const step = () => {
      if (Math.hypot(x, y) < 0.4) return;
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
    const lines = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
    // A pinch on a trackpad comes as a wheel with ctrl, in small steps.
    const strength = event.ctrlKey ? 0.012 : 0.0022;
    this._camera.zoom(x, y, Math.exp(-Math.max(-160, Math.min(160, event.deltaY * lines)) * strength));
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
