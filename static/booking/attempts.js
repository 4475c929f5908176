/**
 * How a booking tries things: one at a time, in one tab at a time, and what it knows meanwhile. What it tries, and what
 * follows from it, is `flow.js`.
 *
 * @import { HoldAck } from "../seat-map/types.js"
 * @import { SeatMap } from "../seat-map/seat-map.js"
 * @import { BookingRecord } from "./record.js"
 */
import { RequestError } from "../seat-map/request-error.js";
import { ServerClock } from "./clock.js";
import { readRecord, writeRecord } from "./record.js";

/** @typedef {"choosing" | "holding" | "held" | "paying" | "confirming" | "pending" | "booked" | "expired" | "rejected"} Step */

export class Attempts extends EventTarget {
  /** @param {SeatMap} map @param {string} show */
  constructor(map, show) {
    super();
    this._map = map;
    this._show = show;
    this.clock = new ServerClock();
    /** @type {Step} */
    this.step = "choosing";
    /** Seats that this step is about. @type {string[]} */
    this.seats = [];
    /** ms since the epoch, by the server. */
    this.expiresAt = 0;
    this.extended = false;
    /** Whether the server has the payment; else only this browser. */
    this.delivered = false;
    /** The ticket code. */
    this.booking = "";
    /** Why it ended: a code, "" for the plain reason of the step. */
    this.reason = "";
    /** What went wrong last, a code; "" for nothing. */
    this.error = "";
    /** The server's words for it. */
    this.errorText = "";
    this._retryable = false;
    this._busy = false;
    this._missed = false;
    this._again = 0;
    this._deadline = 0;
    this._gone = new AbortController();
  }

  /** ms until the hold is over, 0 when it is, NaN before the server has said. */
  get remaining() {
    if (!this.expiresAt) return NaN;
    return Math.max(0, this.expiresAt - this.clock.now());
  }

  /** Stop listening and asking; what is written down stays. */
  close() {
    this._gone.abort();
    clearTimeout(this._again);
    clearTimeout(this._deadline);
  }

  /** Go on where this browser left off. @abstract */
  async resume() {}

  // --- for the flow -------------------------------------------------------------------------------------------------
  /** @param {Partial<BookingRecord>} more */
  _note(more) {
    const record = readRecord(this._show);
    if (record) this._write({ ...record, ...more });
  }

  // Whoever was abandoned must not write into the next one's record.
  /** @param {BookingRecord | null} record */
  _write(record) {
    if (!this._gone.signal.aborted) writeRecord(this._show, record);
  }

  /**
   * One thing at a time; an error is kept in `error`, with `or` as the step to be in then.
   * @param {Step} step
   * @param {() => Promise<void>} act
   * @param {Step} [or]
   */
  async _do(step, act, or = step) {
    if (this._busy || this._gone.signal.aborted) return;
    this._busy = true;
    this.step = step;
    this.error = "";
    this._tell();
    try {
      await act();
    } catch (error) {
      this.step = or;
      this.error = error instanceof RequestError ? error.code : "internal";
      this.errorText = error instanceof Error ? error.message : "";
      this._retryable = error instanceof RequestError ? error.retryable : true;
    } finally {
      this._busy = false;
      this._tell();
      if (this._missed) {
        this._missed = false;
        queueMicrotask(() => this.resume());
      }
    }
  }

  /** @param {() => Promise<HoldAck>} ask */
  async _timed(ask) {
    const asked = performance.now();
    const ack = await ask();
    this.clock.set(ack.server_time, asked);
    return ack;
  }

  /** Run `act` in one tab at a time (where the browser can: on https and localhost). @param {() => Promise<void>} act */
  async _alone(act) {
    if (navigator.locks) await navigator.locks.request(`booking ${this._show}`, act);
    else await act();
  }

  _tell() {
    if (!this._gone.signal.aborted) this.dispatchEvent(new Event("change"));
  }
}
