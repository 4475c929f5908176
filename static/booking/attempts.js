/**
 * What the page knows of a booking, and how it attempts each step: one at a time, and in one tab at a time. The
 * steps are in `holding.js` and `flow.js`.
 *
 * @import { HoldAck, Prices, Refund } from "../seat-map/types.js"
 * @import { SeatMap } from "../seat-map/seat-map.js"
 * @import { BookingRecord } from "./record.js"
 * @import { Step } from "./steps.js"
 */
import { RequestError } from "../seat-map/request-error.js";
import { ServerClock } from "./clock.js";
import { readRecord, writeRecord } from "./record.js";

export class Attempts extends EventTarget {
  /** @param {SeatMap} map @param {string} show */
  constructor(map, show) {
    super();
    this._map = map;
    this._show = show;
    this.clock = new ServerClock();
    /** @type {Step} */
    this.step = "choosing";
    /** The seats that this step is about. @type {string[]} */
    this.seats = [];
    /** When the hold ends, ms since the epoch by the server's clock; 0 while that is not known. */
    this.expiresAt = 0;
    this.extended = false;
    /** Whether the server has the payment; if not, only this browser has. */
    this.delivered = false;
    /** What the seats cost, as the server computed it. @type {Prices | null} */
    this.prices = null;
    /** Whether the gateway does not say if the booking is paid. */
    this.gatewaySilent = false;
    /** Whether the gateway declined the last payment. */
    this.declined = false;
    /** Whether the payment came when the booking had ended, and booked it all the same. */
    this.late = false;
    /** The seats that were asked for, if others were booked in their place. @type {string[]} */
    this.wanted = [];
    /** The payments of this hold that are returned. @type {Refund[]} */
    this.refunds = [];
    /** The id of the booking. */
    this.booking = "";
    /** Why the booking ended: an error code, "" for the plain reason of the step. */
    this.reason = "";
    /** The code of the last error, "" for none. */
    this.error = "";
    /** The server's message for it. */
    this.errorText = "";
    this._retryable = false;
    /** The refund that the last error announced. @type {Refund | null} */
    this._refund = null;
    this._busy = false;
    this._resumeMissed = false;
    this._again = 0;
    this._deadline = 0;
    this._abort = new AbortController();
  }

  /** ms until the hold ends, 0 when it has, NaN before the server has said. */
  get remaining() {
    if (!this.expiresAt) return NaN;
    return Math.max(0, this.expiresAt - this.clock.now());
  }

  /** Whether a payment was begun, so that money may come although the booking has ended. */
  get begun() {
    const { order, payment } = readRecord(this._show) ?? {};
    return Boolean(order || payment);
  }

  /** Stop listening and asking; the record stays. */
  close() {
    this._abort.abort();
    clearTimeout(this._again);
    clearTimeout(this._deadline);
  }

  /** Continue where this browser left off. @abstract */
  async resume() {}

  // --- for the steps ------------------------------------------------------------------------------------------------
  /** @param {Partial<BookingRecord>} more */
  _updateRecord(more) {
    const record = readRecord(this._show);
    if (record) this._writeRecord({ ...record, ...more });
  }

  // A booking that was closed must not write into the record of the next one.
  /** @param {BookingRecord | null} record */
  _writeRecord(record) {
    if (!this._abort.signal.aborted) writeRecord(this._show, record);
  }

  /**
   * Do one thing, unless another is under way. An error is kept in `error`.
   * @param {Step} step while it is done
   * @param {() => Promise<void>} act
   * @param {Step} [or] the step after an error
   */
  async _attempt(step, act, or = step) {
    if (this._busy || this._abort.signal.aborted) return;
    this._busy = true;
    this.step = step;
    this.error = "";
    this._changed();
    try {
      await act();
    } catch (error) {
      this.step = or;
      this.error = error instanceof RequestError ? error.code : "internal";
      this.errorText = error instanceof Error ? error.message : "";
      this._retryable = error instanceof RequestError ? error.retryable : true;
      this._refund = error instanceof RequestError ? /** @type {Refund | null} */ (error.details.refund ?? null) : null;
    } finally {
      this._busy = false;
      this._changed();
      if (this._resumeMissed) {
        this._resumeMissed = false;
        // As a task of its own: the caller of this attempt reads the error before the next attempt clears it.
        setTimeout(() => this.resume());
      }
    }
  }

  /** Ask the server about a hold, and set the clock by its answer. @param {() => Promise<HoldAck>} ask */
  async _timed(ask) {
    const asked = performance.now();
    const ack = await ask();
    this.clock.set(ack.server_time, asked);
    return ack;
  }

  /** Run `act` in one tab at a time, where the browser can (on https and localhost). @param {() => Promise<void>} act */
  async _exclusively(act) {
    if (navigator.locks) await navigator.locks.request(`booking ${this._show}`, act);
    else await act();
  }

  /** Enter a step in which these seats are the viewer's, and show them. @param {Step} step */
  _enter(step) {
    if (this._abort.signal.aborted) return;
    const entered = this.step !== step;
    this._map.mine = this.seats;
    this.step = step;
    this._changed();
    if (entered) this._map.reveal(this.seats[0]);
  }

  /** @param {"expired" | "rejected"} step @param {string} reason an error code, or "" */
  _end(step, reason) {
    const record = readRecord(this._show);
    const { refunds } = this;
    this._forget();
    if (record?.order || record?.payment) {
      // Money may still come, so the hold is not forgotten before the buyer begins anew.
      this._writeRecord({ ...record, over: step, reason, paying: undefined, payment: undefined });
      this.refunds = refunds;
    }
    this.reason = reason;
    this.step = step;
    this._changed();
  }

  _reset() {
    this._forget();
    this.seats = [];
    this.booking = "";
    this.reason = "";
    this.step = "choosing";
    this._changed();
  }

  _forget() {
    clearTimeout(this._again);
    clearTimeout(this._deadline);
    this._writeRecord(null);
    this._map.mine = [];
    this.expiresAt = 0;
    this.delivered = false;
    this.gatewaySilent = false;
    this.declined = false;
    this.late = false;
    this.prices = null;
    this.wanted = [];
    this.refunds = [];
    this.error = "";
  }

  _changed() {
    if (!this._abort.signal.aborted) this.dispatchEvent(new Event("change"));
  }
}
