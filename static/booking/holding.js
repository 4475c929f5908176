/**
 * The part of a booking in which seats are held: hold, extend, release, and the deadline. Paying and what follows
 * are in `flow.js`.
 *
 * @import { HoldAck } from "../seat-map/types.js"
 */
import { RequestError } from "../seat-map/request-error.js";
import { Attempts } from "./attempts.js";
import { keepLeftover, settleLeftovers } from "./leftovers.js";
import { readRecord } from "./record.js";
import { noteBooked } from "./refunds.js";
import { areOthers, bookingOf, isOver, newRequest, stepOf } from "./steps.js";

/** Refusals that are certain: nothing is held. */
const NOT_ON_SALE = new Set(["sales_paused", "sales_not_started"]);
/** The deadline is checked a little late: the server should report it first. */
const GRACE_MS = 600;

export class Holding extends Attempts {
  /** Hold the seats chosen on the map, or these. @param {string[]} [seats] */
  async hold(seats = this._map.selection) {
    if (!seats.length) return;
    if (readRecord(this._show)?.over) this._writeRecord(null);
    await this._hold("", seats);
  }

  /** Ask for more time. */
  async extend() {
    const { hold } = readRecord(this._show) ?? {};
    if (!hold || this._busy) return;
    await this._attempt(this.step, async () => {
      try {
        this._apply(await this._timed(() => this._map.extend(hold)));
      } catch (error) {
        // The answer to an earlier attempt may have been lost: ask when the hold ends now.
        if (!(error instanceof RequestError) || error.code !== "extend_limit") throw error;
        this._apply(await this._timed(() => this._map.resume(hold)));
      }
    });
    if (isOver(this.error)) this._end("expired", this.error);
  }

  /** Whether the hold can be changed: nothing was begun to pay for it. */
  get changeable() {
    const { hold, order, paying, payment } = readRecord(this._show) ?? {};
    return this.step === "held" && Boolean(hold) && !order && !paying && !payment && !this._busy;
  }

  /** Release one of the seats and keep the others. @param {string} seat */
  async drop(seat) {
    const { hold } = readRecord(this._show) ?? {};
    if (!hold || !this.changeable || this.seats.length < 2) return;
    await this._change(hold, async () => {
      await this._map.release(hold, [seat]);
      this._apply(await this._timed(() => this._map.resume(hold)));
    });
  }

  /**
   * Hold these seats in addition to those that are held. A hold can't grow: it is released, and all seats are held in a new one.
   * Between the two somebody else can be faster; then the seats that are left are chosen, and the error says so.
   * @param {string[]} more
   */
  async add(more) {
    const { hold } = readRecord(this._show) ?? {};
    if (!hold || !this.changeable || !more.length) return;
    const all = [...new Set([...this.seats, ...more])];
    let released = false;
    await this._change(hold, async () => {
      await this._map.release(hold);
      released = true;
    });
    if (!released) return;
    this._forget();
    await this._hold("", all);
    if (this.step === "choosing") for (const seat of all) this._map.select(seat);
  }

  /** Release the seats. */
  async release() {
    const { hold } = readRecord(this._show) ?? {};
    if (this._busy) return;
    await this._attempt(this.step, () =>
      this._exclusively(async () => {
        // Another tab may have paid while this one waited for its turn.
        if (hold && !readRecord(this._show)?.payment) await this._map.release(hold);
      }),
    );
    if (!this.error || isOver(this.error)) {
      if (readRecord(this._show)?.payment) await this.resume();
      else this._reset();
    } else if (this.error === "hold_confirmed") await this.resume();
  }

  /** Whether a request for a hold got no answer and waits to be sent again; `cancel` gives it up. */
  get unanswered() {
    return this.step === "holding" && this.error !== "" && !this._busy;
  }

  /** Give up a request for a hold that gets no answer. */
  cancel() {
    if (this.step !== "holding") return;
    const record = readRecord(this._show);
    if (record && !record.hold) {
      keepLeftover(this._show, record);
      this._settleLeftovers();
    }
    this._reset();
  }

  /** Back to choosing, after the end of a booking. */
  restart() {
    this._reset();
  }

  /** Change the hold, unless another tab began to pay for it. @param {string} hold @param {() => Promise<void>} act */
  async _change(hold, act) {
    const change = async () => {
      const record = readRecord(this._show);
      if (record?.hold === hold && !record.order && !record.payment) await act();
    };
    await this._attempt("held", () => this._exclusively(change));
    if (isOver(this.error)) this._end("expired", this.error);
  }

  // --- for the flow -------------------------------------------------------------------------------------------------
  /** @param {string} request "" for a new one @param {string[]} seats */
  async _hold(request, seats) {
    if (this._busy) return;
    this.seats = seats;
    await this._attempt("holding", () => this._exclusively(() => this._requestHold(request, seats)), "choosing");
    if (!this.error) {
      if (this.step === "holding") await this.resume();
      return;
    }
    if (this.error === "hold_expired" || this.error === "hold_lost") this._end("expired", this.error);
    else if (this._retryable && !NOT_ON_SALE.has(this.error) && readRecord(this._show)) {
      // It is not known whether the seats are held: the same request is sent again after the next reconnect.
      this.step = "holding";
      this._changed();
    } else this._writeRecord(null);
    this._settleLeftovers();
  }

  /** @param {string} request "" for a new one @param {string[]} seats */
  async _requestHold(request, seats) {
    if (this._abort.signal.aborted) return;
    const before = readRecord(this._show);
    // Another tab was faster: its booking is this browser's, and the selection here is dropped.
    if (before?.hold || before?.booking) {
      this._map.clear();
      return;
    }
    const asked = before && before.seats.join() === seats.join() ? before.request : request || newRequest();
    if (before && before.request !== asked) keepLeftover(this._show, before);
    // Written before it is sent: a reload in between sends the same request_id again, and gets the same hold.
    this._writeRecord({ request: asked, seats, names: this._namesOf(seats) });
    const ack = await this._timed(() => this._map.hold(asked, seats));
    // Cancelled in the meantime: the leftover releases it.
    if (readRecord(this._show)?.request !== asked) return;
    this._updateRecord({ hold: ack.hold.id });
    this._apply(ack);
  }

  /** @param {string} hold */
  async _resumeHold(hold) {
    if (["choosing", "holding", "paying", "away"].includes(this.step)) this.step = "held";
    await this._attempt(this.step, async () => this._apply(await this._timed(() => this._map.resume(hold))));
    if (isOver(this.error)) this._end("expired", this.error);
    else if (this.error && this.step === "held" && this.expiresAt && !this.remaining) this._end("expired", "");
  }

  /** Go to the step that the server's answer about the hold leads to. @param {HoldAck} ack */
  _apply({ hold, server_time }) {
    this._keepSeats(hold.seats);
    if (hold.prices) this._updateRecord({ prices: hold.prices });
    const { prices, declined, paying, order } = readRecord(this._show) ?? {};
    this.prices = prices ?? null;
    this.declined = Boolean(declined);
    this.expiresAt = hold.expires_at;
    this.extended = hold.extensions_left === 0;
    const { step, reason } = stepOf(hold, server_time);
    if (step === "held") {
      this._enter(paying && order ? "away" : "held");
      this._watchDeadline(hold.id);
    } else if (step === "pending") {
      this.delivered = true;
      this._enter("pending");
    } else if (step === "booked") this._booked({ id: bookingOf(hold.id), seats: hold.seats });
    else this._end(step === "rejected" ? "rejected" : "expired", reason);
  }

  // The event that reports the deadline may be lost on its way.
  /** @param {string} hold */
  _watchDeadline(hold) {
    clearTimeout(this._deadline);
    if (this._abort.signal.aborted) return;
    this._deadline = setTimeout(() => {
      if ((this.step !== "held" && this.step !== "away") || readRecord(this._show)?.hold !== hold) return;
      if (this._map.connection === "offline" && !this.remaining) this._end("expired", "");
      else this.resume();
    }, this.remaining + GRACE_MS);
  }

  /** @param {{id: string, seats: string[]}} booking */
  _booked({ id, seats }) {
    clearTimeout(this._again);
    this._keepSeats(seats);
    this.booking = id;
    this.error = "";
    this.reason = "";
    this._updateRecord({ booking: id, paying: undefined, payment: undefined, over: undefined });
    const { hold = "", prices, wanted = [] } = readRecord(this._show) ?? {};
    this.prices = prices ?? this.prices;
    this.wanted = wanted;
    noteBooked(hold);
    this._enter("booked");
  }

  /** Note which seats the booking is about now, and which were asked for if these are others. @param {string[]} seats */
  _keepSeats(seats) {
    const { seats: before = [], names = {} } = readRecord(this._show) ?? {};
    if (!seats.length) return;
    const wanted = before.length && areOthers(seats, before) ? { wanted: before } : {};
    this._updateRecord({ seats, names: { ...names, ...this._namesOf(seats) }, ...wanted });
    this.seats = seats;
  }

  /** What is printed of seats, by id; after a load without those that have not arrived yet. @param {string[]} seats */
  _namesOf(seats) {
    return Object.fromEntries(seats.flatMap((id) => this._map.seat(id) ?? []).map(({ id, label }) => [id, label]));
  }

  _settleLeftovers() {
    settleLeftovers(this._map.live?.connection.base ?? location.origin);
  }
}
