/**
 * A live show: its layout, the statuses of its seats kept up to date with the server, and events about the viewer's
 * holds. It joins the connection, the layout stream and the rules of `seat-states.js`. Draws nothing.
 *
 * Events: `layout` (detail: the layout, whenever more of its seats have arrived), `seats` (detail: changed indices),
 * `watched` (the statuses are up to date), `status`, `connection`, `show`, `failed` (detail: error code), `holdexpired`,
 * `bookingsettled` and `refundupdated` (detail: the server's payload).
 *
 * @import { Frame, Show, ShowStatus, WatchAck } from "./types.js"
 */
import { givenOf } from "../app/given.js";
import { Connection } from "./connection.js";
import { Layout } from "./layout.js";
import { loadLayout } from "./layout-loader.js";
import { RequestError } from "./request-error.js";
import { inflate, SeatStates } from "./seat-states.js";

/** A part of a layout is shown when it has waited this long for the rest; showing it takes a part of this time. */
const SHOW_PART_MS = 120;
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
    /** How long a buyer may take at the payment service, once that is known. @type {number | undefined} */
    this.paymentTimeoutS = undefined;
    /** Since when the statuses are stale, ms since the epoch; 0 while they are not. */
    this.staleSince = 0;
    /** Whether the statuses have come over the connection, and not only with the page. */
    this.watched = false;
    this._abort = new AbortController();
    this._watching = 0;
    /** @type {Frame[]} frames that arrived before the answer to `show:watch` */
    this._early = [];
    this._loading = false;
    this._hid = () => document.hidden && this._rest();
  }

  start() {
    const { connection } = this;
    const { seats } = givenOf(this.id);
    if (seats) {
      this._emit("seats", this.states.watch(seats));
      this._setStatus(seats.status);
    }
    document.addEventListener("visibilitychange", this._hid);
    connection.addEventListener("online", () => {
      // A hidden page asks for no changes; when it is shown, the connection is in doubt.
      if (!document.hidden || !this.watched) this._watch();
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
    document.removeEventListener("visibilitychange", this._hid);
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
        const signal = this._abort.signal;
        this.show =
          givenOf(this.id).show ??
          /** @type {Show} */ (await this.connection.http(`/api/v1/shows/${encodeURIComponent(this.id)}`, { signal }));
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
      const config =
        givenOf(this.id).config ?? (await this.connection.http("/api/v1/config", { signal: this._abort.signal }));
      this.connection.setNodes(config.nodes ?? []);
      this.paymentTimeoutS = config.payment_timeout_s;
    } catch {
      // Without the list there is no other node to fail over to; this one still works.
    }
  }

  /** @param {Show} show */
  async _readLayout(show) {
    const url = `${this.connection.base}/api/v1/layouts/${show.layout}`;
    const { signal } = this._abort;
    const loader = loadLayout(url, show.seat_count, signal);
    let timer = 0;
    loader.onPart = () => {
      timer ||= setTimeout(() => {
        timer = 0;
        if (!loader.layout || signal.aborted) return;
        loader.layout.index();
        this._show(loader.layout);
      }, SHOW_PART_MS);
    };
    if (loader.layout) loader.onPart();
    try {
      const layout = (await loader.done) ?? (await this._readPlain(show, signal));
      if (!signal.aborted) this._show(layout);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Read the layout of a node of the previous release. @param {Show} show @param {AbortSignal} signal */
  async _readPlain(show, signal) {
    const whole = await this.connection.http(`/api/v1/layouts/${show.layout}`, { signal });
    const layout = new Layout(whole, show.seat_count);
    layout.add(whole.seats);
    layout.complete = true;
    layout.index();
    return layout;
  }

  /** @param {Layout} layout */
  _show(layout) {
    this.layout = layout;
    this._emit("layout", layout);
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
          { show: this.id, deflate: true, ...(since ? { since } : {}) },
          { timeoutMs: 1e9, ackMs },
        )
      );
      if (ack.deflated !== undefined) ack.seats = await inflate(ack.deflated);
      if (mine !== this._watching) return;
      const changed = this.states.watch(ack);
      if (!changed) {
        this.states.epoch = "";
        this._watch();
        return;
      }
      this._watching = 0;
      this.watched = true;
      this._setStatus(ack.status, ack.since);
      this._emit("seats", changed);
      this._emit("watched", null);
      for (const frame of this._early.splice(0)) this._frame(frame);
      if (document.hidden) this._rest();
    } catch (error) {
      if (mine !== this._watching || this._abort.signal.aborted) return;
      const { code, retryable } = error instanceof RequestError ? error : { code: "internal", retryable: true };
      if (retryable) setTimeout(() => mine === this._watching && this._watch(), AGAIN_MS);
      else this._emit("failed", code);
    }
  }

  // The page is hidden: no changes until it is shown again.
  _rest() {
    this.connection.tell("show:unwatch", { show: this.id });
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
