/**
 * `<seat-map>`: the live seat map of one show.
 *
 * Attributes: `show` (id), `server` (origin of a node; default: this page's), `max-seats` (default 10).
 * Properties: `selection` (seat ids, read only), `connection`, `layout`, `filter` (category name or "").
 * Methods: `select(ids)`, `clear()`, `drop(ids)`, `setOwn(ids)` (seats of one's hold or booking), `seatState(id)`, `pointOf(id)`,
 * `goTo(text)`, `infoOf(id)`, `nearestFree(id, count)`.
 * Events (bubbling CustomEvents): `selectionchange` {seats}, `statuschange` {status, since}, `linkchange` {state},
 * `seatlost` {seats} (chosen here, taken by somebody else), `ready` {}, `news` {event, payload}, `failure` {message}.
 * CSS variables: those of styles/base.css that name colours.
 *
 * @import { ShowStatus, WatchAck, Frame, Show, SeatInfo } from "./types.js"
 */

import { Camera } from "./camera.js";
import { Connection } from "./connection.js";
import { readLayout } from "./layout-stream.js";
import { Layout } from "./layout.js";
import { PULSE_MS, Painter } from "./paint.js";
import { FREE, SeatStates } from "./seat-states.js";

const STATUS_NAMES = /** @type {const} */ (["free", "held", "sold", "blocked", "unknown"]);
/** Seats nearer to each other than this many pixels can't be told apart with a finger: a tap zooms in instead. */
const TAP_PX = 14;
const TOUCH_PX = 34;
const MAX_PULSES = 200;
const DRAG_PX = 6;

const sheet = new CSSStyleSheet();
sheet.replaceSync(`
  :host { display: block; position: relative; overflow: hidden; touch-action: none; }
  canvas { position: absolute; inset: 0; width: 100%; height: 100%; outline: none; cursor: grab; }
  canvas:focus-visible { box-shadow: inset 0 0 0 3px var(--accent, #6a2c91); }
  canvas.dragging { cursor: grabbing; }
  .zoom { position: absolute; right: 12px; bottom: 12px; display: grid; gap: 6px; }
  .zoom button { width: 44px; height: 44px; border: 1px solid var(--line, #ddd); border-radius: 10px; background: var(--card, #fff); color: var(--ink, #000); font: 600 20px/1 var(--font, sans-serif); cursor: pointer; }
  .zoom button:focus-visible { outline: 3px solid var(--accent, #6a2c91); outline-offset: 2px; }
  .tip { position: absolute; z-index: 1; pointer-events: none; transform: translate(-50%, calc(-100% - 14px)); padding: 6px 10px; border-radius: 8px; background: var(--ink, #000); color: var(--paper, #fff); font: 500 13px/1.3 var(--font, sans-serif); white-space: nowrap; }
  .tip[hidden] { display: none; }
  .quiet { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
`);

export class SeatMap extends HTMLElement {
  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    root.innerHTML = `
      <canvas tabindex="0" role="application" aria-label="Seat map. Arrow keys move from seat to seat, Enter chooses, plus and minus zoom, 0 shows everything."></canvas>
      <div class="tip" hidden></div>
      <div class="zoom"><button aria-label="Zoom in">+</button><button aria-label="Zoom out">−</button><button aria-label="Show everything">⤢</button></div>
      <p class="quiet" aria-live="polite"></p>`;
    this._canvas = /** @type {HTMLCanvasElement} */ (root.querySelector("canvas"));
    this._tip = /** @type {HTMLElement} */ (root.querySelector(".tip"));
    this._voice = /** @type {HTMLElement} */ (root.querySelector(".quiet"));
    this._painter = new Painter(this._canvas);
    this.camera = new Camera(() => this._repaint());
    this.states = new SeatStates();
    /** @type {Layout | null} */
    this.layout = null;
    /** @type {Connection | null} */
    this.connection = null;
    /** @type {Show | null} */
    this.showInfo = null;
    /** @type {Set<number>} */
    this._chosen = new Set();
    /** @type {Set<number>} */
    this._own = new Set();
    this._focus = -1;
    this._filter = "";
    /** @type {Map<number, number>} */
    this._pulses = new Map();
    this._frame = 0;
    this._watching = false;
    this._abort = new AbortController();
    /** @type {Map<number, {x: number, y: number}>} */
    this._pointers = new Map();
    this._moved = 0;
    this._fitted = false;
    /** @param {number} seat */
    this._look = (seat) => ({
      status: this.states.of(seat),
      own: this._chosen.has(seat) || this._own.has(seat),
      dim: this._filter !== "" && this.layout?.categories[this.layout.category[seat]]?.name !== this._filter,
    });
  }

  connectedCallback() {
    this._abort = new AbortController();
    const { signal } = this._abort;
    this._listen(signal);
    const resized = new ResizeObserver(() => this._resize());
    resized.observe(this);
    signal.addEventListener("abort", () => resized.disconnect());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this._retheme(), { signal });
    this.camera.still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.connection = new Connection(this.getAttribute("server") || location.origin);
    this.connection.addEventListener("online", () => void this._watch());
    this.connection.addEventListener("doubt", () => void this._watch());
    this.connection.addEventListener("state", (event) => this._tell("linkchange", { state: /** @type {CustomEvent} */ (event).detail }));
    this.connection.addEventListener("message", (event) => this._news(/** @type {CustomEvent} */ (event).detail));
    this.connection.open();
    void this._load(signal);
  }

  disconnectedCallback() {
    this._abort.abort();
    this.connection?.close();
    cancelAnimationFrame(this._frame);
  }

  get show() {
    return this.getAttribute("show") ?? "";
  }

  get maxSeats() {
    return Number(this.getAttribute("max-seats")) || 10;
  }

  get selection() {
    return [...this._chosen].map((seat) => /** @type {Layout} */ (this.layout).ids[seat]);
  }

  get filter() {
    return this._filter;
  }

  set filter(category) {
    this._filter = category;
    this._painter.forget();
    this._repaint();
  }

  /** @param {string[]} ids */
  select(ids) {
    this._choose(this._indices(ids));
  }

  clear() {
    this._choose([]);
  }

  /** Take seats out of the selection that turned out to be somebody else's. @param {string[]} ids */
  drop(ids) {
    const gone = this._indices(ids);
    gone.forEach((seat) => this._chosen.delete(seat));
    this._refresh(gone);
  }

  /** @param {string[]} ids the seats of one's own hold or booking */
  setOwn(ids) {
    const before = [...this._own];
    this._own = new Set(this._indices(ids));
    this._refresh([...before, ...this._own]);
  }

  /** @param {string} id @returns {import("./types.js").SeatStatus} */
  seatState(id) {
    const seat = this.layout?.byId.get(id) ?? -1;
    if (this._chosen.has(seat)) return "selected";
    if (this._own.has(seat)) return "mine";
    return STATUS_NAMES[this.states.of(seat)];
  }

  /** @param {string} id @returns {{x: number, y: number}} where the seat is in the viewport; brings it into reach first */
  pointOf(id) {
    const layout = /** @type {Layout} */ (this.layout);
    const seat = /** @type {number} */ (layout.byId.get(id));
    this.camera.still = true;
    this.camera.glideToPoint(layout.x[seat], layout.y[seat], Math.max(this.camera.scale, (TOUCH_PX + 1) / layout.pitch));
    const box = this.getBoundingClientRect();
    return { x: box.left + layout.x[seat] * this.camera.scale + this.camera.x, y: box.top + layout.y[seat] * this.camera.scale + this.camera.y };
  }

  /** @param {string} id @returns {SeatInfo | null} */
  infoOf(id) {
    const seat = this.layout?.byId.get(id);
    return seat === undefined ? null : this._info(seat);
  }

  /** Move to what a person typed ("F12"). @param {string} text @returns {boolean} whether there is such a seat */
  goTo(text) {
    const found = this.layout?.find(text) ?? [];
    if (!found.length) return false;
    this._moveFocus(found[0]);
    this._canvas.focus();
    return true;
  }

  /** The free seats nearest to one. @param {string} id @param {number} count @returns {string[]} */
  nearestFree(id, count) {
    const layout = /** @type {Layout} */ (this.layout);
    const from = layout.byId.get(id) ?? 0;
    /** @type {[number, number][]} */
    const near = [];
    const reach = layout.pitch * 12;
    layout.grid.each({ left: layout.x[from] - reach, top: layout.y[from] - reach, right: layout.x[from] + reach, bottom: layout.y[from] + reach }, (seat) => {
      if (this.states.of(seat) === FREE && !this._chosen.has(seat)) near.push([Math.hypot(layout.x[seat] - layout.x[from], layout.y[seat] - layout.y[from]), seat]);
    });
    return near.sort((a, b) => a[0] - b[0]).slice(0, count).map(([, seat]) => layout.ids[seat]);
  }

  // --- loading and following ---------------------------------------------------------------------------------------
  /** @param {AbortSignal} signal */
  async _load(signal) {
    const connection = /** @type {Connection} */ (this.connection);
    try {
      const [show, config] = await Promise.all([connection.http(`/api/v1/shows/${encodeURIComponent(this.show)}`), connection.http("/api/v1/config")]);
      this.showInfo = show;
      connection.setNodes(config.nodes);
      await readLayout(`${connection.base}/api/v1/layouts/${show.layout}`, {
        signal,
        head: (head) => {
          this.layout = new Layout(head, show.seat_count);
        },
        seats: (seats) => {
          const layout = /** @type {Layout} */ (this.layout);
          const first = layout.count === 0;
          layout.add(seats);
          // First paint before the last byte; then once more when all is here.
          if (first) this._arrived();
        },
      });
      const layout = /** @type {Layout} */ (this.layout);
      layout.complete = true;
      this._arrived();
      this._tell("ready", {});
    } catch (error) {
      if (!signal.aborted) this._tell("failure", { message: error instanceof Error ? error.message : "", code: /** @type {any} */ (error).code });
    }
  }

  _arrived() {
    const layout = /** @type {Layout} */ (this.layout);
    layout.index();
    this.camera.bounds = layout.bounds;
    this._retheme();
    this._resize();
    this._fit();
  }

  async _watch() {
    if (this._watching) return;
    this._watching = true;
    try {
      const connection = /** @type {Connection} */ (this.connection);
      const since = this.states.since;
      /** @type {WatchAck} */
      const ack = await connection.request("show:watch", since ? { show: this.show, since } : { show: this.show });
      const changed = this.states.watch(ack);
      if (changed === null) this.states = new SeatStates();
      else this._changed(changed, false);
      this._tell("statuschange", { status: ack.status, since: ack.since ?? 0 });
      if (changed === null) setTimeout(() => void this._watch(), 0);
    } catch (error) {
      this._tell("failure", { message: error instanceof Error ? error.message : "", code: /** @type {any} */ (error).code });
    } finally {
      this._watching = false;
    }
  }

  /** @param {{event: string, payload: any}} news */
  _news({ event, payload }) {
    if (event === "seats:changed" && payload.show === this.show) {
      const changed = this.states.apply(/** @type {Frame} */ (payload));
      if (changed === null) void this._watch();
      else this._changed(changed, true);
    } else if (event === "show:status" && payload.show === this.show) {
      this._tell("statuschange", { status: /** @type {ShowStatus} */ (payload.status), since: payload.since ?? 0 });
    }
    this._tell("news", { event, payload });
  }

  /** @param {number[]} changed @param {boolean} pulse */
  _changed(changed, pulse) {
    const now = performance.now();
    /** @type {number[]} */
    const lost = [];
    for (const seat of changed) {
      if (pulse && this._pulses.size < MAX_PULSES && !this._own.has(seat) && !this.camera.still) this._pulses.set(seat, now);
      if (this._chosen.has(seat) && this.states.of(seat) !== FREE && !this._own.has(seat)) lost.push(seat);
    }
    this._refresh(changed);
    if (lost.length && this.layout && !this._holding) {
      const ids = lost.map((seat) => /** @type {Layout} */ (this.layout).ids[seat]);
      this.drop(ids);
      this._tell("seatlost", { seats: ids });
    }
  }

  /** While a hold is asked for, the seats' own change may arrive before the answer does: nothing is lost by it. */
  _holding = false;

  set holding(/** @type {boolean} */ value) {
    this._holding = value;
  }

  // --- choosing ----------------------------------------------------------------------------------------------------
  /** @param {string[]} ids */
  _indices(ids) {
    return ids.map((id) => this.layout?.byId.get(id) ?? -1).filter((seat) => seat >= 0);
  }

  /** @param {number[]} seats */
  _choose(seats) {
    const before = [...this._chosen];
    this._chosen = new Set(seats);
    this._refresh([...before, ...seats]);
    this._tell("selectionchange", { seats: this.selection });
  }

  /** @param {number} seat */
  _toggle(seat) {
    if (this._chosen.has(seat)) this._choose([...this._chosen].filter((each) => each !== seat));
    else if (this._own.has(seat)) this._say(`${this._name(seat)} is yours`);
    else if (this.states.of(seat) !== FREE) this._say(`${this._name(seat)} is ${STATUS_NAMES[this.states.of(seat)]}`);
    else if (this.hasAttribute("locked")) this._say("Finish or cancel your hold first");
    else if (this._chosen.size >= this.maxSeats) this._say(`You can choose ${this.maxSeats} seats at the most`);
    else this._choose([...this._chosen, seat]);
  }

  /** @param {number} seat @returns {SeatInfo} */
  _info(seat) {
    const layout = /** @type {Layout} */ (this.layout);
    const category = layout.categories[layout.category[seat]]?.name ?? "";
    return {
      id: layout.ids[seat],
      index: seat,
      section: layout.sections[layout.section[seat]].name,
      row: layout.rows[layout.row[seat]].name,
      number: layout.numbers[seat],
      category,
      price: this.showInfo?.prices[category] ?? null,
      accessible: layout.accessible[seat] === 1,
      status: this.seatState(layout.ids[seat]),
    };
  }

  /** @param {number} seat */
  _name(seat) {
    const info = this._info(seat);
    return `${info.section ? `${info.section}, ` : ""}row ${info.row}, seat ${info.number}`;
  }

  /** @param {string} text */
  _say(text) {
    this._voice.textContent = text;
    const seat = this._focus;
    if (seat >= 0) this._showTip(seat, text);
  }

  /** @param {number} seat @param {string} [text] */
  _showTip(seat, text) {
    const layout = /** @type {Layout} */ (this.layout);
    const info = this._info(seat);
    const price = info.price === null ? "" : ` · ₹${info.price.toLocaleString("en-IN")}`;
    const status = info.status === "free" ? "" : ` · ${info.status}`;
    this._tip.textContent = text ?? `${layout.label(seat)} ${info.category}${price}${info.accessible ? " · accessible" : ""}${status}`;
    this._tip.hidden = false;
    const x = layout.x[seat] * this.camera.scale + this.camera.x;
    const y = layout.y[seat] * this.camera.scale + this.camera.y;
    this._tip.style.left = `${Math.min(this.camera.width - 90, Math.max(90, x))}px`;
    this._tip.style.top = `${Math.max(56, y - layout.pitch * this.camera.scale * 0.3)}px`;
  }

  // --- hands -------------------------------------------------------------------------------------------------------
  /** @param {AbortSignal} signal */
  _listen(signal) {
    const canvas = this._canvas;
    const [into, out, all] = /** @type {NodeListOf<HTMLButtonElement>} */ (/** @type {ShadowRoot} */ (this.shadowRoot).querySelectorAll(".zoom button"));
    const middle = () => /** @type {const} */ ([this.camera.width / 2, this.camera.height / 2]);
    into.addEventListener("click", () => this.camera.glideZoom(...middle(), 1.7), { signal });
    out.addEventListener("click", () => this.camera.glideZoom(...middle(), 1 / 1.7), { signal });
    all.addEventListener("click", () => this.camera.glideTo(this.camera.framing(this.camera.bounds)), { signal });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this._tip.hidden = true;
      this.camera.zoom(event.offsetX, event.offsetY, Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0018)));
    }, { signal, passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this._pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
      if (this._pointers.size === 1) this._moved = 0;
      else this._moved = Infinity;
    }, { signal });
    canvas.addEventListener("pointermove", (event) => this._pointerMoved(event), { signal });
    canvas.addEventListener("pointerup", (event) => {
      const down = this._pointers.delete(event.pointerId);
      canvas.classList.remove("dragging");
      if (down && this._moved < DRAG_PX) this._tap(event.offsetX, event.offsetY, event.pointerType === "mouse");
    }, { signal });
    canvas.addEventListener("pointercancel", (event) => this._pointers.delete(event.pointerId), { signal });
    canvas.addEventListener("pointerleave", () => {
      this._tip.hidden = true;
    }, { signal });
    canvas.addEventListener("keydown", (event) => this._key(event), { signal });
  }

  /** @param {PointerEvent} event */
  _pointerMoved(event) {
    const known = this._pointers.get(event.pointerId);
    if (!known) {
      const seat = event.pointerType === "mouse" ? this._seatAt(event.offsetX, event.offsetY) : -1;
      if (seat >= 0) this._showTip(seat);
      else this._tip.hidden = true;
      return;
    }
    const dx = event.offsetX - known.x;
    const dy = event.offsetY - known.y;
    this._moved += Math.hypot(dx, dy);
    if (this._pointers.size === 2) {
      const other = /** @type {{x: number, y: number}} */ ([...this._pointers].find(([id]) => id !== event.pointerId)?.[1]);
      const before = Math.hypot(known.x - other.x, known.y - other.y);
      const after = Math.hypot(event.offsetX - other.x, event.offsetY - other.y);
      this.camera.zoom((event.offsetX + other.x) / 2, (event.offsetY + other.y) / 2, after / Math.max(1, before));
      this.camera.pan(dx / 2, dy / 2);
    } else if (this._moved >= DRAG_PX) {
      this._canvas.classList.add("dragging");
      this._tip.hidden = true;
      this.camera.pan(dx, dy);
    }
    this._pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
  }

  /** @param {number} px @param {number} py @param {boolean} mouse */
  _tap(px, py, mouse) {
    const { layout, camera } = this;
    if (!layout) return;
    const pitch = layout.pitch * camera.scale;
    if (pitch < (mouse ? TAP_PX : TOUCH_PX * 0.7)) {
      camera.glideToPoint((px - camera.x) / camera.scale, (py - camera.y) / camera.scale, (TOUCH_PX + 2) / layout.pitch);
      return;
    }
    const seat = this._seatAt(px, py);
    if (seat < 0) return;
    this._focus = seat;
    this._showTip(seat);
    this._toggle(seat);
    this._repaint();
  }

  /** @param {number} px @param {number} py */
  _seatAt(px, py) {
    const { layout, camera } = this;
    if (!layout || layout.pitch * camera.scale < 7) return -1;
    const x = (px - camera.x) / camera.scale;
    const y = (py - camera.y) / camera.scale;
    let best = -1;
    let nearest = layout.pitch * 0.6;
    layout.grid.each({ left: x - layout.pitch, top: y - layout.pitch, right: x + layout.pitch, bottom: y + layout.pitch }, (seat) => {
      const away = Math.hypot(layout.x[seat] - x, layout.y[seat] - y);
      if (away < nearest) [best, nearest] = [seat, away];
    });
    return best;
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    const { layout, camera } = this;
    if (!layout) return;
    const seat = this._focus;
    const middle = /** @type {const} */ ([camera.width / 2, camera.height / 2]);
    if (event.key.startsWith("Arrow")) this._moveFocus(this._neighbour(event.key));
    else if ((event.key === "Enter" || event.key === " ") && seat >= 0) this._toggle(seat);
    else if (event.key === "+" || event.key === "=") camera.glideZoom(...middle, 1.7);
    else if (event.key === "-") camera.glideZoom(...middle, 1 / 1.7);
    else if (event.key === "0" || event.key === "Home") camera.glideTo(camera.framing(camera.bounds));
    else return;
    event.preventDefault();
  }

  /** The seat that an arrow leads to: along the row, or the nearest one in the next row. @param {string} key */
  _neighbour(key) {
    const layout = /** @type {Layout} */ (this.layout);
    const seat = this._focus;
    if (seat < 0) return 0;
    const row = layout.rows[layout.row[seat]];
    if (key === "ArrowLeft" || key === "ArrowRight") {
      const next = row.seats[layout.place[seat] + (key === "ArrowLeft" ? -1 : 1)];
      return next ?? seat;
    }
    const sign = key === "ArrowUp" ? -1 : 1;
    let [best, nearest] = [seat, Infinity];
    const reach = layout.pitch * 8;
    layout.grid.each({ left: layout.x[seat] - reach, right: layout.x[seat] + reach, top: layout.y[seat] - reach, bottom: layout.y[seat] + reach }, (other) => {
      const down = (layout.y[other] - layout.y[seat]) * sign;
      const away = down + 2 * Math.abs(layout.x[other] - layout.x[seat]);
      if (layout.row[other] !== layout.row[seat] && down > layout.pitch * 0.3 && away < nearest) [best, nearest] = [other, away];
    });
    return best;
  }

  /** @param {number} seat */
  _moveFocus(seat) {
    const layout = /** @type {Layout} */ (this.layout);
    this._focus = seat;
    const { camera } = this;
    const x = layout.x[seat] * camera.scale + camera.x;
    const y = layout.y[seat] * camera.scale + camera.y;
    const near = layout.pitch * camera.scale >= TAP_PX;
    if (!near || x < 60 || y < 60 || x > camera.width - 60 || y > camera.height - 60) {
      camera.glideToPoint(layout.x[seat], layout.y[seat], Math.max(camera.scale, 30 / layout.pitch));
    }
    const info = this._info(seat);
    this._voice.textContent = `${this._name(seat)}, ${info.category}${info.price === null ? "" : `, ${info.price} rupees`}, ${info.status}`;
    this._repaint();
  }

  // --- painting ----------------------------------------------------------------------------------------------------
  _retheme() {
    if (!this.layout) return;
    this._painter.theme(this, this.layout);
    this._repaint();
  }

  /** @param {string} category */
  colorOf(category) {
    return this._painter.categoryColor(this.layout?.categories.findIndex((each) => each.name === category) ?? -1);
  }

  _resize() {
    const { clientWidth: width, clientHeight: height } = this;
    if (!width || !height) return;
    const ratio = devicePixelRatio || 1;
    this._canvas.width = Math.round(width * ratio);
    this._canvas.height = Math.round(height * ratio);
    const first = !this._fitted;
    this.camera.width = width;
    this.camera.height = height;
    if (first) this._fit();
    this._repaint();
  }

  _fit() {
    const { layout, camera } = this;
    if (!layout || camera.width < 2) return;
    this._fitted = layout.complete;
    const whole = camera.framing(camera.bounds);
    camera.minScale = whole.scale * 0.6;
    camera.maxScale = Math.max(whole.scale, 90 / layout.pitch);
    camera.scale = whole.scale;
    camera.pan(whole.x - camera.x, whole.y - camera.y);
  }

  /** @param {number[]} seats */
  _refresh(seats) {
    if (this.layout) this._painter.changed(this.layout, this._look, seats.filter((seat) => seat < /** @type {Layout} */ (this.layout).count));
    this._repaint();
  }

  _repaint() {
    this._frame ||= requestAnimationFrame(() => {
      this._frame = 0;
      if (!this.layout) return;
      const now = performance.now();
      for (const [seat, since] of this._pulses) if (now - since > PULSE_MS || seat >= this.layout.count) this._pulses.delete(seat);
      this._painter.paint(this.layout, this.camera, this._look, { focus: this._canvas.matches(":focus") ? this._focus : -1, pulses: this._pulses, now });
      if (this._pulses.size) this._repaint();
    });
  }

  /** @param {string} name @param {object} detail */
  _tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
  }
}

customElements.define("seat-map", SeatMap);
