/**
 * The steps of a booking, from choosing to the ticket, as a state that survives reloads, lost connections and second tabs.
 *
 * Every step is written down before it is asked of the server, and every question may be asked again: the hold has its
 * request_id, the payment and the booking have the hold. Draws nothing.
 *
 * Events: `change`.
 *
 * @import { Booking, HoldAck } from "../seat-map/types.js"
 * @import { SeatMap } from "../seat-map/seat-map.js"
 */
import { RequestError } from "../seat-map/connection.js";
import { ServerClock } from "./clock.js";
import { pay } from "./payment.js";
import { onOtherTab, readRecord, writeRecord } from "./record.js";

/** @typedef {"choosing" | "holding" | "held" | "paying" | "confirming" | "pending" | "booked" | "expired" | "rejected"} Step */

const AGAIN_MS = 4000;

export class Flow extends EventTarget {
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
    /** The ticket code. */
    this.booking = "";
    /** What went wrong last, a code; "" for nothing. */
    this.error = "";
    /** The server's words for it. */
    this.errorText = "";
    this._busy = false;
    this._again = 0;
    map.addEventListener("holdexpired", (event) => this._expired(/** @type {CustomEvent} */ (event).detail.hold));
    map.addEventListener("bookingsettled", (event) => this._settled(/** @type {CustomEvent} */ (event).detail.booking));
    map.addEventListener("statuschange", (event) => {
      if (/** @type {CustomEvent} */ (event).detail.connection === "online") this.resume();
    });
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible" && this.step === "held") this.resume();
    });
    onOtherTab(show, () => this.resume());
  }

  /** ms until the hold is over, 0 when it is. */
  get remaining() {
    return Math.max(0, this.expiresAt - this.clock.now());
  }

  /** Go on where this browser left off: after a load, a reconnect, or when another tab did something. */
  async resume() {
    const record = readRecord(this._show);
    if (this._busy) return;
    if (!record) {
      if (this.step !== "expired" && this.step !== "rejected" && this.step !== "choosing") this._reset();
      return;
    }
    this.seats = record.seats;
    this.extended = record.extended ?? false;
    if (record.booking) this._booked({ id: record.booking, seats: record.seats });
    else if (record.hold && record.payment) await this._confirm(record.hold, record.payment);
    else if (record.hold) await this._takeUp(record.hold);
    else await this._hold(record.request, record.seats);
  }

  /** Hold what is chosen on the map, or these seats. @param {string[]} [seats] */
  async hold(seats = this._map.selection) {
    if (this._busy || !seats.length) return;
    const request = crypto.randomUUID();
    // Written first: a reload before the answer asks again under the same name, and gets the same hold.
    writeRecord(this._show, { request, seats });
    await this._hold(request, seats);
  }

  async extend() {
    const { hold } = readRecord(this._show) ?? {};
    if (!hold) return;
    await this._do(this.step, async () => {
      try {
        this._take(await this._timed(() => this._map.extend(hold)));
      } catch (error) {
        // The answer to an earlier try may have been lost: what counts is when the hold ends now.
        if (!(error instanceof RequestError) || error.code !== "extend_limit") throw error;
        this._take(await this._timed(() => this._map.resume(hold)));
      }
      this.extended = true;
      this._note({ extended: true });
    });
  }

  /** Give the seats back. */
  async release() {
    const { hold } = readRecord(this._show) ?? {};
    await this._do("held", async () => {
      if (hold) await this._map.release(hold);
      this._reset();
    });
  }

  /** @param {number} amount whole rupees */
  async pay(amount) {
    const { hold } = readRecord(this._show) ?? {};
    if (!hold || this._busy) return;
    const paid = await this._alone(hold, async () => {
      // The other tab may have paid while we waited for our turn.
      const before = readRecord(this._show);
      if (!before || before.booking || before.payment) return before?.payment ?? null;
      let payment = "";
      await this._do("paying", async () => {
        payment = await pay(this._map, { hold, amount });
        this._note({ payment });
      }, "held");
      return payment;
    });
    if (paid) await this._confirm(hold, paid);
    else if (paid === null) await this.resume();
  }

  /** Back to choosing, after the end of a booking. */
  restart() {
    this._reset();
  }

  // --- inside -------------------------------------------------------------------------------------------------------
  /** @param {string} request @param {string[]} seats */
  async _hold(request, seats) {
    this.seats = seats;
    await this._do(
      "holding",
      async () => {
        const ack = await this._timed(() => this._map.hold(request, seats));
        this._note({ hold: ack.hold.id });
        this.extended = false;
        this._take(ack);
      },
      "choosing",
    );
    // Not held, and it is known: nothing to remember. Not known: the same question again when we are back.
    const unsure = this.error === "offline";
    if (this.step === "choosing" && !unsure) writeRecord(this._show, null);
  }

  /** @param {string} hold */
  async _takeUp(hold) {
    if (this.step === "choosing") this.step = "held";
    await this._do(this.step, async () => this._take(await this._timed(() => this._map.resume(hold))), "held");
    if (this.error === "hold_not_found" || this.error === "not_your_hold") this._end("expired");
  }

  /** @param {HoldAck} ack */
  _take({ hold }) {
    this.seats = hold.seats;
    this.expiresAt = hold.expires_at;
    if (hold.state === "held") this._mark("held");
    else if (hold.state === "confirming") this._mark("pending");
    else if (hold.state === "booked") this._booked({ id: bookingOf(hold.id), seats: hold.seats });
    else if (hold.state === "rejected") this._end("rejected");
    else this._end("expired");
  }

  /** @param {string} hold @param {string} payment */
  async _confirm(hold, payment) {
    if (this.step === "booked" || this._busy) return;
    await this._do(
      "confirming",
      async () => {
        const { booking } = await this._map.confirm(hold, payment);
        if (booking.state === "booked") this._booked(booking);
        else {
          this._mark("pending");
          this._later();
        }
      },
      "pending",
    );
    if (this.error === "booking_rejected") this._end("rejected");
    else if (this.error === "payment_refused") {
      this._note({ payment: undefined });
      this.step = "held";
      this._tell();
    } else if (["hold_expired", "hold_ended", "hold_lost", "hold_not_found"].includes(this.error)) this._end("rejected");
    else if (this.error) this._later();
  }

  // The word may come as an event; should that be lost, we ask.
  _later() {
    clearTimeout(this._again);
    this._again = setTimeout(() => {
      if (this.step === "pending") this.resume();
    }, AGAIN_MS);
  }

  /** @param {string} hold */
  _expired(hold) {
    if (readRecord(this._show)?.hold === hold) this._end("expired");
  }

  /** @param {Booking & {hold?: string, state: string}} booking */
  _settled(booking) {
    const { hold } = readRecord(this._show) ?? {};
    if (!hold || bookingOf(hold) !== booking.id) return;
    if (booking.state === "booked") this._booked({ id: booking.id, seats: booking.seats ?? this.seats });
    else this._end("rejected");
  }

  /** @param {{id: string, seats: string[]}} booking */
  _booked({ id, seats }) {
    clearTimeout(this._again);
    this.booking = id;
    this.seats = seats;
    this.error = "";
    this._note({ booking: id });
    this._mark("booked");
  }

  /** @param {"expired" | "rejected"} step */
  _end(step) {
    writeRecord(this._show, null);
    this._map.mine = [];
    this.error = "";
    this.step = step;
    this._tell();
  }

  _reset() {
    clearTimeout(this._again);
    writeRecord(this._show, null);
    this._map.mine = [];
    this.seats = [];
    this.booking = "";
    this.error = "";
    this.step = "choosing";
    this._tell();
  }

  /** @param {Step} step with our seats on the map */
  _mark(step) {
    const fresh = this.step !== step;
    this._map.mine = this.seats;
    this.step = step;
    this._tell();
    if (fresh) this._map.reveal(this.seats[0]);
  }

  /** @param {Partial<import("./record.js").BookingRecord>} more */
  _note(more) {
    const record = readRecord(this._show);
    if (record) writeRecord(this._show, { ...record, ...more });
  }

  /**
   * One thing at a time; an error is kept in `error`, with `or` as the step to be in then.
   * @param {Step} step
   * @param {() => Promise<void>} act
   * @param {Step} [or]
   */
  async _do(step, act, or = step) {
    if (this._busy) return;
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
    } finally {
      this._busy = false;
      this._tell();
    }
  }

  /** @param {() => Promise<HoldAck>} ask */
  async _timed(ask) {
    const asked = performance.now();
    const ack = await ask();
    this.clock.set(ack.server_time, asked);
    return ack;
  }

  /**
   * Run `act` in one tab at a time.
   * @template T
   * @param {string} hold
   * @param {() => Promise<T>} act
   * @returns {Promise<T>}
   */
  async _alone(hold, act) {
    return navigator.locks ? await navigator.locks.request(`pay ${hold}`, act) : act();
  }

  _tell() {
    this.dispatchEvent(new Event("change"));
  }
}

/** @param {string} hold @returns {string} the id of the booking that it becomes */
export function bookingOf(hold) {
  const dot = hold.indexOf(".");
  return `${hold.slice(0, dot)}.b${hold.slice(dot + 2)}`;
}
