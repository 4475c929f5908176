/**
 * The whole map of a show as marks on a canvas: a ring is free, a disc held, a square sold, a cross blocked. It is for
 * operators, who watch a show and select seats; buyers use `<seat-map>`.
 *
 * Events: `choose` (detail: index of a seat), `chooseall` (detail: indices of the seats in a rectangle that was drawn).
 */
const MARGIN = 12;
/** A pointer that moved less, CSS pixels, was clicked. */
const CLICK = 6;

export class DotMap extends EventTarget {
  /** @param {HTMLCanvasElement} canvas @param {{x: number, y: number}[]} seats */
  constructor(canvas, seats) {
    super();
    this._canvas = canvas;
    this._seats = seats;
    /** @type {Uint8Array} */
    this._statuses = new Uint8Array(seats.length);
    /** @type {Set<number>} */
    this._chosen = new Set();
    const xs = seats.map((seat) => seat.x);
    const ys = seats.map((seat) => seat.y);
    const least = (/** @type {number[]} */ all) => all.reduce((a, b) => Math.min(a, b), Infinity);
    const most = (/** @type {number[]} */ all) => all.reduce((a, b) => Math.max(a, b), -Infinity);
    this._box = { x: least(xs), y: least(ys), width: most(xs) - least(xs) || 1, height: most(ys) - least(ys) || 1 };
    this._resize = new ResizeObserver(() => this.draw());
    this._resize.observe(canvas);
    /** Where a rectangle was begun, and its other corner. @type {{from: [number, number], to: [number, number]} | null} */
    this._drawn = null;
    canvas.addEventListener("pointerdown", (event) => this._down(event));
    canvas.addEventListener("pointermove", (event) => this._move(event));
    canvas.addEventListener("pointerup", (event) => this._up(event));
    canvas.addEventListener("pointercancel", () => this._cancel());
  }

  // A finger scrolls the page: rectangles are drawn with a mouse or a pen.
  /** @param {PointerEvent} event */
  _down(event) {
    this._drawn = { from: [event.offsetX, event.offsetY], to: [event.offsetX, event.offsetY] };
    if (event.pointerType !== "touch") this._canvas.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  _move(event) {
    if (!this._drawn || event.pointerType === "touch") return;
    this._drawn.to = [event.offsetX, event.offsetY];
    this.draw();
  }

  /** @param {PointerEvent} event */
  _up(event) {
    const drawn = this._drawn;
    this._cancel();
    if (!drawn) return;
    const [x, y] = drawn.from;
    if (Math.hypot(event.offsetX - x, event.offsetY - y) < CLICK) {
      this._click(event);
      return;
    }
    if (event.pointerType === "touch") return;
    const [left, right] = [x, event.offsetX].sort((a, b) => a - b);
    const [top, bottom] = [y, event.offsetY].sort((a, b) => a - b);
    const { at } = this._fit();
    const inside = this._seats.flatMap((seat, n) => {
      const [sx, sy] = at(seat);
      return sx >= left && sx <= right && sy >= top && sy <= bottom ? [n] : [];
    });
    if (inside.length) this.dispatchEvent(new CustomEvent("chooseall", { detail: inside }));
  }

  _cancel() {
    this._drawn = null;
    this.draw();
  }

  /** @param {Uint8Array} statuses @param {Set<number>} chosen */
  set(statuses, chosen) {
    this._statuses = statuses;
    this._chosen = chosen;
    this.draw();
  }

  destroy() {
    this._resize.disconnect();
  }

  _fit() {
    const { clientWidth: width, clientHeight: height } = this._canvas;
    const scale = Math.min((width - 2 * MARGIN) / this._box.width, (height - 2 * MARGIN) / this._box.height);
    const left = (width - this._box.width * scale) / 2;
    const top = (height - this._box.height * scale) / 2;
    return {
      scale,
      at: (/** @type {{x: number, y: number}} */ seat) => [
        left + (seat.x - this._box.x) * scale,
        top + (seat.y - this._box.y) * scale,
      ],
    };
  }

  draw() {
    const canvas = this._canvas;
    const ratio = devicePixelRatio || 1;
    canvas.width = canvas.clientWidth * ratio;
    canvas.height = canvas.clientHeight * ratio;
    const pen = canvas.getContext("2d");
    if (!pen || !canvas.width) return;
    pen.scale(ratio, ratio);
    const style = getComputedStyle(canvas);
    const colours = ["--accent", "--own", "--muted", "--line"].map((name) => style.getPropertyValue(name).trim());
    const chosen = style.getPropertyValue("--ink").trim();
    const { at } = this._fit();
    const area = (canvas.clientWidth * canvas.clientHeight) / this._seats.length;
    const size = Math.max(0.7, Math.min(7, Math.sqrt(area) * 0.28));
    pen.lineWidth = Math.max(0.6, size / 4);
    for (let n = 0; n < this._seats.length; n++) {
      const [x, y] = at(this._seats[n]);
      mark(pen, this._statuses[n], colours, x, y, size);
      if (this._chosen.has(n)) {
        pen.strokeStyle = chosen;
        pen.strokeRect(x - size - 2, y - size - 2, 2 * size + 4, 2 * size + 4);
      }
    }
    if (!this._drawn) return;
    const { from, to } = this._drawn;
    pen.strokeStyle = chosen;
    pen.lineWidth = 1.5;
    pen.strokeRect(from[0], from[1], to[0] - from[0], to[1] - from[1]);
  }

  /** @param {MouseEvent} event */
  _click(event) {
    const { at } = this._fit();
    let nearest = -1;
    let best = 24 ** 2;
    this._seats.forEach((seat, n) => {
      const [x, y] = at(seat);
      const far = (x - event.offsetX) ** 2 + (y - event.offsetY) ** 2;
      if (far < best) [nearest, best] = [n, far];
    });
    if (nearest >= 0) this.dispatchEvent(new CustomEvent("choose", { detail: nearest }));
  }
}

/** @param {CanvasRenderingContext2D} pen @param {number} status @param {string[]} colours @param {number} x @param {number} y @param {number} size */
function mark(pen, status, colours, x, y, size) {
  pen.fillStyle = pen.strokeStyle = colours[status];
  if (status === 2) {
    pen.fillRect(x - size, y - size, 2 * size, 2 * size);
    return;
  }
  pen.beginPath();
  if (status === 3) {
    pen.moveTo(x - size, y - size);
    pen.lineTo(x + size, y + size);
    pen.moveTo(x + size, y - size);
    pen.lineTo(x - size, y + size);
    pen.stroke();
    return;
  }
  pen.arc(x, y, size, 0, 7);
  if (status === 1) pen.fill();
  else pen.stroke();
}
