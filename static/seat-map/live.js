/**
 * A live show: its layout, the statuses of its seats kept up to date with the server, and events about the viewer's
 * holds. It joins the connection, the layout stream and the rules of `seat-states.js`. Draws nothing.
 *
 * Events: `layout` (detail: the layout, whenever more of its seats have arrived), `seats` (detail: changed indices),
 * `watched` (the statuses are up to date), `status`, `connection`, `show`, `failed` (detail: error code), `holdexpired`,
 * `bookingsettled` and `refundupdated` (detail: the server's payload).
 *
 * @import { Frame, LayoutHead, Show, ShowStatus, WatchAck } from "./types.js"
 */
import { Connection } from "./connection.js";
import { Layout } from "./layout.js";
import { readLayout } from "./layout-stream.js";
import { RequestError } from "./request-error.js";
import { SeatStates } from "./seat-states.js";

/** An arriving layout is shown again each time it has grown by this factor, so that showing it early costs little. */
const GROWN = 2;
const AGAIN_MS = 1500;

export class LiveShow extends EventTarget {
  /** @param {string[]} nodes origins, the one to begin with first @param {string} id of the show */
  constructor(nodes, id) {
    super();
    this.id = id;
    this.connection = new Connection(nodes);
    this.states = new SeatStates();
    /** @type {Layout | null} */
    this.layout = null;
    /** @type {Show | null} */
    this.show = null;
    /** @type {ShowStatus} */
    this.status = "live";
    /** Since when the statuses are stale, ms since the epoch; 0 while they are not. */
    this.staleSince = 0;
    this._abort = new AbortController();
    this._watching = 0;
    /** @type {Frame[]} frames that arrived before the answer to `show:watch` */
    this._early = [];
    this._loading = false;
  }

  start() {
    const { connection } = this;
    connection.addEventListener("online", () => {
      this._watch();
      if (!this.layout?.complete) this._load();
    });
    connection.addEventListener("exhausted", () => this.layout?.complete || this._emit("failed", "offline"));
    connection.addEventListener("doubt", () => this._watch(2500));
    connection.addEventListener("state", () => this._emit("connection", connection.state));
    connection.addEventListener("message", (event) => this._message(/** @type {CustomEvent} */ (event).detail));
    connection.open();
    this._load();
  }

  stop() {
    this._abort.abort();
    this.connection.close();
  }

  /** Connect and load again, after a failure. */
  retry() {
    this.connection.retryNow();
    this._load();
  }

  // --- the layout ---------------------------------------------------------------------------------------------------
  async _load() {
    if (this._loading) return;
    this._loading = true;
    try {
      if (!this.show) {
        const found = await this.connection.http(`/api/v1/shows/${encodeURIComponent(this.id)}`, {
          signal: this._abort.signal,
        });
        this.show = /** @type {Show} */ (found.show ?? found);
        this._emit("show", this.show);
        this._configure();
      }
      await this._readLayout(this.show);
    } catch (error) {
      if (this._abort.signal.aborted) return;
      const code = error instanceof RequestError ? error.code : "offline";
      // Another node may answer: the connection tries them all, and reports when none does.
      if (code !== "offline" || this.connection.exhausted) this._emit("failed", code);
    } finally {
      this._loading = false;
    }
  }

  async _configure() {
    try {
      const config = await this.connection.http("/api/v1/config", { signal: this._abort.signal });
      this.connection.setNodes(config.nodes ?? []);
    } catch {
      // Without the list there is no other node to fail over to; this one still works.
    }
  }

  /** @param {Show} show */
  async _readLayout(show) {
    /** @type {Layout | null} */
    let layout = null;
    let indexed = 0;
    await readLayout(`${this.connection.base}/api/v1/layouts/${show.layout}`, {
      signal: this._abort.signal,
      head: (/** @type {LayoutHead} */ head) => {
        layout = new Layout(head, show.seat_count);
      },
      seats: (seats) => {
        if (!layout) return;
        layout.add(seats);
        if (layout.count < indexed * GROWN) return;
        indexed = layout.count;
        layout.index();
        this.layout = layout;
        this._emit("layout", layout);
      },
    });
    const whole = /** @type {Layout | null} */ (layout);
    if (!whole) throw new RequestError({ code: "layout_not_found", message: "" });
    whole.complete = true;
    whole.index();
    this.layout = whole;
    this._emit("layout", whole);
  }

  // --- the seats ----------------------------------------------------------------------------------------------------
  /** @param {number} [ackMs] after how long without an answer the connection counts as lost */
  async _watch(ackMs) {
    const mine = ++this._watching;
    this._early = [];
    try {
      const since = this.states.since;
      const ack = /** @type {WatchAck} */ (
        await this.connection.request(
          "show:watch",
          { show: this.id, ...(since ? { since } : {}) },
          { timeoutMs: 1e9, ackMs },
        )
      );
      if (mine !== this._watching) return;
      const changed = this.states.watch(ack);
      if (!changed) {
        this.states.epoch = "";
        this._watch();
        return;
      }
      this._watching = 0;
      this._setStatus(ack.status, ack.since);
      this._emit("seats", changed);
      this._emit("watched", null);
      for (const frame of this._early.splice(0)) this._frame(frame);
    } catch (error) {
      if (mine !== this._watching || this._abort.signal.aborted) return;
      const { code, retryable } = error instanceof RequestError ? error : { code: "internal", retryable: true };
      if (retryable) setTimeout(() => mine === this._watching && this._watch(), AGAIN_MS);
      else this._emit("failed", code);
    }
  }

  /** @param {{event: string, payload: any}} message */
  _message({ event, payload }) {
    if (event === "seats:changed" && payload.show === this.id) this._frame(payload);
    else if (event === "show:status" && payload.show === this.id) this._setStatus(payload.status, payload.since);
    else if (event === "hold:expired") this._emit("holdexpired", payload);
    else if (event === "booking:settled") this._emit("bookingsettled", payload);
    else if (event === "refund:updated") this._emit("refundupdated", payload);
  }

  /** @param {Frame} frame */
  _frame(frame) {
    if (this._watching) {
      // A frame may be handled before the promise of the ack that it follows.
      this._early.push(frame);
      return;
    }
    const changed = this.states.apply(frame);
    if (!changed) this._watch();
    else if (changed.length) this._emit("seats", changed);
  }

  /** @param {ShowStatus} status @param {number} [since] */
  _setStatus(status, since) {
    this.status = status;
    this.staleSince = status === "stale" ? (since ?? Date.now()) : 0;
    this._emit("status", status);
  }

  /** @param {string} name @param {unknown} detail */
  _emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
