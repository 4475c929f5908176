/**
 * A booking from choosing to the ticket, as a state that survives reloads, lost connections and second tabs.
 *
 * Every step is written down before the server is asked, and every request can be repeated: a hold by its request_id, a
 * payment and a booking by the hold. Tabs take turns (Web Locks), so two of them never begin a hold or a payment at
 * once. Draws nothing.
 *
 * Events: `change`.
 *
 * @import { Booking } from "../seat-map/types.js"
 * @import { SeatMap } from "../seat-map/seat-map.js"
 */
import { Holding } from "./holding.js";
import { keepLeftover } from "./leftovers.js";
import { findPayment, pay } from "./payment.js";
import { onOtherTab, readRecord, writeRecord } from "./record.js";
import { bookingOf, isOver, nextAction } from "./steps.js";

/** How often a pending booking is asked for. */
const ASK_AGAIN_MS = 4000;

export class Flow extends Holding {
  /** @param {SeatMap} map @param {string} show */
  constructor(map, show) {
    super(map, show);
    const { signal } = this._abort;
    /** @param {string} name @param {(detail: any) => void} handle */
    const on = (name, handle) =>
      map.addEventListener(name, (event) => handle(/** @type {CustomEvent} */ (event).detail), { signal });
    on("holdexpired", (news) => this._expired(news));
    on("bookingsettled", ({ booking }) => this._settled(booking));
    on("statuschange", ({ connection }) => {
      if (connection !== "online") return;
      this.resume();
      this._settleLeftovers();
    });
    const visible = () => {
      if (document.visibilityState === "visible" && this.step === "held") this.resume();
    };
    document.addEventListener("visibilitychange", visible, { signal });
    onOtherTab(show, () => this.resume(), signal);
  }

  /** End the booking here: seats are released, and paid ones booked, as soon as the server can be reached. */
  abandon() {
    this.close();
    const record = readRecord(this._show);
    if (record) keepLeftover(this._show, record);
    writeRecord(this._show, null);
  }

  /** Continue where this browser left off: after a load, a reconnect, or a change by another tab. */
  async resume() {
    if (this._busy) {
      this._resumeMissed = true;
      return;
    }
    const record = readRecord(this._show);
    if (!record) {
      if (this.step !== "expired" && this.step !== "rejected" && this.step !== "choosing") this._reset();
      return;
    }
    this.seats = record.seats;
    const { request, seats, hold = "", payment = "", booking = "" } = record;
    switch (nextAction(record)) {
      case "booked":
        return this._booked({ id: booking, seats });
      case "confirm":
        return this._confirm(hold, payment);
      case "find_payment":
        return this._findPayment(hold);
      case "resume":
        return this._resumeHold(hold);
      default:
        return this._hold(request, seats);
    }
  }

  /** @param {number} amount whole rupees, for show: the server computes the price */
  async pay(amount) {
    const { hold } = readRecord(this._show) ?? {};
    if (!hold || this._busy) return;
    const payOnce = async () => {
      // Another tab may have paid while this one waited for its turn.
      const before = readRecord(this._show);
      if (before?.hold !== hold || before.booking || before.payment) return;
      this._updateRecord({ paying: true });
      this._updateRecord({ payment: await pay(this._map, { hold, amount }), paying: undefined });
    };
    await this._attempt("paying", () => this._exclusively(payOnce), "held");
    if (!this.error) await this.resume();
    else if (!this._retryable) this._updateRecord({ paying: undefined });
    if (isOver(this.error)) this._end("expired", this.error);
    else if (this.step === "held" && !this.remaining) await this.resume();
  }

  // --- inside: paying -----------------------------------------------------------------------------------------------
  // A payment was begun, before a reload or in another tab, and its proof did not arrive.
  /** @param {string} hold */
  async _findPayment(hold) {
    const find = async () => {
      const now = readRecord(this._show);
      if (now?.hold !== hold || !now.paying || now.payment || now.booking) return;
      this._updateRecord({ payment: (await findPayment(hold)) ?? undefined, paying: undefined });
    };
    await this._attempt("paying", () => this._exclusively(find), "held");
    if (!this.error) await this.resume();
  }

  /** @param {string} hold @param {string} payment */
  async _confirm(hold, payment) {
    if (this.step === "booked" || this._busy) return;
    const confirm = async () => {
      const { booking } = await this._map.confirm(hold, payment, this.seats);
      if (booking.state === "booked") this._booked(booking);
      else {
        this.delivered = true;
        this._enter("pending");
      }
    };
    await this._attempt(this.step === "pending" ? "pending" : "confirming", confirm, "pending");
    if (this.error === "payment_refused") {
      this._updateRecord({ payment: undefined });
      this.step = "held";
      this._changed();
    } else if (this.error && this.error !== "offline" && !this._retryable) {
      this._end("rejected", this.error === "booking_rejected" ? "" : this.error);
    } else if (this.step === "pending") this._askAgain();
  }

  // `bookingsettled` reports the result; should that event be lost, this finds out.
  _askAgain() {
    clearTimeout(this._again);
    if (this._abort.signal.aborted) return;
    this._again = setTimeout(() => {
      if (this.step === "pending") this.resume();
    }, ASK_AGAIN_MS);
  }

  // --- inside: events of the server ---------------------------------------------------------------------------------
  /** @param {{hold: string, reason?: string}} news */
  _expired({ hold, reason }) {
    const record = readRecord(this._show);
    // Once a payment has begun, its result decides: a late one books the seats if they are free, else it is refunded.
    if (record?.hold === hold && !record.paying && !record.payment) {
      this._end("expired", reason === "lost" ? "hold_lost" : "");
    }
  }

  /** @param {Booking & {state: string}} booking */
  _settled(booking) {
    const { hold } = readRecord(this._show) ?? {};
    if (!hold || bookingOf(hold) !== booking.id) return;
    if (booking.state === "booked") this._booked({ id: booking.id, seats: booking.seats ?? this.seats });
    else this._end("rejected", "");
  }
}
