/**
 * The steps of a booking, from choosing to the ticket, as a state that survives reloads, lost connections and second tabs.
 *
 * Every step is written down before it is asked of the server, and every question may be asked again: the hold has its
 * request_id, the payment and the booking have the hold. Tabs take turns (Web Locks), so that two of them never begin a
 * hold or a payment at once. Draws nothing.
 *
 * Events: `change`.
 *
 * @import { Booking, HoldAck } from "../seat-map/types.js"
 * @import { SeatMap } from "../seat-map/seat-map.js"
 * @import { Step } from "./attempts.js"
 */
import { RequestError } from "../seat-map/request-error.js";
import { Attempts } from "./attempts.js";
import { leave, settleLeftovers } from "./leftovers.js";
import { findPayment, pay } from "./payment.js";
import { onOtherTab, readRecord, writeRecord } from "./record.js";

const AGAIN_MS = 4000;
/** A deadline is looked at a little after it: the server is to say so first. */
const GRACE_MS = 600;
const OVER = ["hold_not_found", "hold_expired", "hold_ended", "hold_lost", "not_your_hold", "request_reused"];

export class Flow extends Attempts {
  /** @param {SeatMap} map @param {string} show */
  constructor(map, show) {
    super(map, show);
    const { signal } = this._gone;
    map.addEventListener("holdexpired", (event) => this._expired(/** @type {CustomEvent} */ (event).detail), {
      signal,
    });
    map.addEventListener(
      "bookingsettled",
      (event) => this._settled(/** @type {CustomEvent} */ (event).detail.booking),
      { signal },
    );
    const back = (/** @type {Event} */ event) => {
      if (/** @type {CustomEvent} */ (event).detail.connection !== "online") return;
      this.resume();
      this._settleLeftovers();
    };
    map.addEventListener("statuschange", back, { signal });
    const seen = () => {
      if (document.visibilityState === "visible" && this.step === "held") this.resume();
    };
    document.addEventListener("visibilitychange", seen, { signal });
    onOtherTab(show, () => this.resume(), signal);
  }

  /** Leave for good: seats are given back and what is paid is booked as soon as the server can be reached. */
  abandon() {
    this.close();
    const record = readRecord(this._show);
    if (record) leave(this._show, record);
    writeRecord(this._show, null);
  }

  /** Go on where this browser left off: after a load, a reconnect, or when another tab did something. */
  async resume() {
    if (this._busy) {
      this._missed = true;
      return;
    }
    const record = readRecord(this._show);
    if (!record) {
      if (this.step !== "expired" && this.step !== "rejected" && this.step !== "choosing") this._reset();
      return;
    }
    this.seats = record.seats;
    if (record.booking) this._booked({ id: record.booking, seats: record.seats });
    else if (record.hold && record.payment) await this._confirm(record.hold, record.payment);
    else if (record.hold && record.paying) await this._findPayment(record.hold);
    else if (record.hold) await this._takeUp(record.hold);
    else await this._hold(record.request, record.seats);
  }

  /** Hold what is chosen on the map, or these seats. @param {string[]} [seats] */
  async hold(seats = this._map.selection) {
    if (seats.length) await this._hold("", seats);
  }

  async extend() {
    const { hold } = readRecord(this._show) ?? {};
    if (!hold || this._busy) return;
    await this._do(this.step, async () => {
      try {
        this._take(await this._timed(() => this._map.extend(hold)));
      } catch (error) {
        // The answer to an earlier try may have been lost: what counts is when the hold ends now.
        if (!(error instanceof RequestError) || error.code !== "extend_limit") throw error;
        this._take(await this._timed(() => this._map.resume(hold)));
      }
    });
    if (OVER.includes(this.error)) this._end("expired", this.error);
  }

  /** Give the seats back. */
  async release() {
    const { hold } = readRecord(this._show) ?? {};
    if (this._busy) return;
    await this._do(this.step, () =>
      this._alone(async () => {
        // Another tab may have paid while we waited for our turn.
        if (hold && !readRecord(this._show)?.payment) await this._map.release(hold);
      }),
    );
    if (!this.error || OVER.includes(this.error)) {
      if (readRecord(this._show)?.payment) await this.resume();
      else this._reset();
    } else if (this.error === "hold_confirmed") await this.resume();
  }

  /** Whether a question came to nothing that will be asked again; `cancel` gives it up. */
  get stuck() {
    return this.step === "holding" && this.error !== "" && !this._busy;
  }

  /** Give up asking for a hold whose answer does not come. */
  cancel() {
    if (this.step !== "holding") return;
    const record = readRecord(this._show);
    if (record && !record.hold) {
      leave(this._show, record);
      this._settleLeftovers();
    }
    this._reset();
  }

  /** @param {number} amount whole rupees */
  async pay(amount) {
    const { hold } = readRecord(this._show) ?? {};
    if (!hold || this._busy) return;
    await this._do(
      "paying",
      () =>
        this._alone(async () => {
          // The other tab may have paid while we waited for our turn.
          const before = readRecord(this._show);
          if (before?.hold !== hold || before.booking || before.payment) return;
          this._note({ paying: true });
          this._note({ payment: await pay(this._map, { hold, amount }), paying: undefined });
        }),
      "held",
    );
    if (!this.error) await this.resume();
    else if (!this._retryable) this._note({ paying: undefined });
    if (OVER.includes(this.error)) this._end("expired", this.error);
    else if (this.step === "held" && !this.remaining) await this.resume();
  }

  /** Back to choosing, after the end of a booking. */
  restart() {
    this._reset();
  }

  // --- inside: holding ----------------------------------------------------------------------------------------------
  /** @param {string} request "" for a new one @param {string[]} seats */
  async _hold(request, seats) {
    if (this._busy) return;
    this.seats = seats;
    const turn = async () => {
      if (this._gone.signal.aborted) return;
      const before = readRecord(this._show);
      // Another tab was faster; its booking is this browser's, and what was chosen here is nobody's.
      if (before?.hold || before?.booking) {
        this._map.clear();
        return;
      }
      const asked = before && before.seats.join() === seats.join() ? before.request : request || newRequest();
      if (before && before.request !== asked) leave(this._show, before);
      // Written first: a reload before the answer asks again under the same name, and gets the same hold.
      this._write({ request: asked, seats });
      const ack = await this._timed(() => this._map.hold(asked, seats));
      // Given up in the meantime: whoever gave it up sees to it.
      if (readRecord(this._show)?.request !== asked) return;
      this._note({ hold: ack.hold.id });
      this._take(ack);
    };
    await this._do("holding", () => this._alone(turn), "choosing");
    if (!this.error) {
      if (this.step === "holding") await this.resume();
      return;
    }
    if (this.error === "hold_expired" || this.error === "hold_lost") this._end("expired", this.error);
    else if (this._retryable && this.error !== "sales_paused" && readRecord(this._show)) {
      // Not known whether they are held: the same question again, by itself when we are back.
      this.step = "holding";
      this._tell();
    } else this._write(null);
    this._settleLeftovers();
  }

  /** @param {string} hold */
  async _takeUp(hold) {
    if (this.step === "choosing" || this.step === "holding" || this.step === "paying") this.step = "held";
    await this._do(this.step, async () => this._take(await this._timed(() => this._map.resume(hold))));
    if (OVER.includes(this.error)) this._end("expired", this.error);
    else if (this.error && this.step === "held" && this.expiresAt && !this.remaining) this._end("expired", "");
  }

  /** @param {HoldAck} ack */
  _take({ hold, server_time }) {
    this.seats = hold.seats;
    this._note({ seats: hold.seats });
    this.expiresAt = hold.expires_at;
    this.extended = /** @type {{extensions_left?: number}} */ (hold).extensions_left === 0;
    if (hold.state === "held" && hold.expires_at > server_time) {
      this._mark("held");
      this._watchDeadline(hold.id);
    } else if (hold.state === "confirming") {
      this.delivered = true;
      this._mark("pending");
    } else if (hold.state === "booked") this._booked({ id: bookingOf(hold.id), seats: hold.seats });
    else if (hold.state === "rejected") this._end("rejected", "");
    else this._end("expired", hold.state === "lost" ? "hold_lost" : "");
  }

  // The word that time is up may be lost on its way.
  /** @param {string} hold */
  _watchDeadline(hold) {
    clearTimeout(this._deadline);
    if (this._gone.signal.aborted) return;
    this._deadline = setTimeout(() => {
      if (this.step !== "held" || readRecord(this._show)?.hold !== hold) return;
      if (this._map.connection === "offline" && !this.remaining) this._end("expired", "");
      else this.resume();
    }, this.remaining + GRACE_MS);
  }

  // --- inside: paying -----------------------------------------------------------------------------------------------
  // A payment was begun, here before a reload or in another tab, and its proof did not arrive.
  /** @param {string} hold */
  async _findPayment(hold) {
    const look = async () => {
      const now = readRecord(this._show);
      if (now?.hold !== hold || !now.paying || now.payment || now.booking) return;
      this._note({ payment: (await findPayment(hold)) ?? undefined, paying: undefined });
    };
    await this._do("paying", () => this._alone(look), "held");
    if (!this.error) await this.resume();
  }

  /** @param {string} hold @param {string} payment */
  async _confirm(hold, payment) {
    if (this.step === "booked" || this._busy) return;
    await this._do(
      this.step === "pending" ? "pending" : "confirming",
      async () => {
        const { booking } = await this._map.confirm(hold, payment, this.seats);
        if (booking.state === "booked") this._booked(booking);
        else {
          this.delivered = true;
          this._mark("pending");
        }
      },
      "pending",
    );
    if (this.error === "payment_refused") {
      this._note({ payment: undefined });
      this.step = "held";
      this._tell();
    } else if (this.error && this.error !== "offline" && !this._retryable)
      this._end("rejected", this.error === "booking_rejected" ? "" : this.error);
    else if (this.step === "pending") this._later();
  }

  // The word may come as an event; should that be lost, we ask.
  _later() {
    clearTimeout(this._again);
    if (this._gone.signal.aborted) return;
    this._again = setTimeout(() => {
      if (this.step === "pending") this.resume();
    }, AGAIN_MS);
  }

  // --- inside: news -------------------------------------------------------------------------------------------------
  /** @param {{hold: string, reason?: string}} news */
  _expired({ hold, reason }) {
    const record = readRecord(this._show);
    // Once money moves, the payment's end decides: a late one books the seats if they are free, else it is refunded.
    if (record?.hold === hold && !record.paying && !record.payment)
      this._end("expired", reason === "lost" ? "hold_lost" : "");
  }

  /** @param {Booking & {hold?: string, state: string}} booking */
  _settled(booking) {
    const { hold } = readRecord(this._show) ?? {};
    if (!hold || bookingOf(hold) !== booking.id) return;
    if (booking.state === "booked") this._booked({ id: booking.id, seats: booking.seats ?? this.seats });
    else this._end("rejected", "");
  }

  // --- inside: where we are -----------------------------------------------------------------------------------------
  /** @param {{id: string, seats: string[]}} booking */
  _booked({ id, seats }) {
    clearTimeout(this._again);
    this.booking = id;
    this.seats = seats;
    this.error = "";
    this._note({ booking: id });
    this._mark("booked");
  }

  /** @param {"expired" | "rejected"} step @param {string} reason a code, or "" */
  _end(step, reason) {
    this._forget();
    this.reason = reason;
    this.step = step;
    this._tell();
  }

  _reset() {
    this._forget();
    this.seats = [];
    this.booking = "";
    this.reason = "";
    this.step = "choosing";
    this._tell();
  }

  _forget() {
    clearTimeout(this._again);
    clearTimeout(this._deadline);
    this._write(null);
    this._map.mine = [];
    this.expiresAt = 0;
    this.delivered = false;
    this.error = "";
  }

  /** @param {Step} step with our seats on the map */
  _mark(step) {
    if (this._gone.signal.aborted) return;
    const fresh = this.step !== step;
    this._map.mine = this.seats;
    this.step = step;
    this._tell();
    if (fresh) this._map.reveal(this.seats[0]);
  }

  _settleLeftovers() {
    settleLeftovers(this._map.live?.connection.base ?? location.origin);
  }
}

/** @param {string} hold @returns {string} the id of the booking that it becomes */
export function bookingOf(hold) {
  const dot = hold.indexOf(".");
  return `${hold.slice(0, dot)}.b${hold.slice(dot + 2)}`;
}

/** A name that nobody used before; `crypto.randomUUID` is only there on https. */
function newRequest() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
