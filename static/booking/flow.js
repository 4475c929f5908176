/**
 * A booking from choosing to the ticket, as a state that survives reloads, lost connections and second tabs.
 *
 * Every step is written down before the server is asked, and every request can be repeated: a hold by its request_id, a
 * payment and a booking by the hold. Tabs take turns (Web Locks), so two of them never begin a hold or a payment at
 * once. Draws nothing.
 *
 * Events: `change`; `paying` (detail: {hold}) before the buyer is sent to pay.
 *
 * @import { Refund } from "../seat-map/types.js"
 * @import { SeatMap } from "../seat-map/seat-map.js"
 * @import { Contact } from "./contact.js"
 * @import { ShopPay } from "./payment.js"
 */
import { Holding } from "./holding.js";
import { keepLeftover } from "./leftovers.js";
import { orderPayment, takePayment } from "./payment.js";
import { onOtherTab, readRecord, writeRecord } from "./record.js";
import { askRefunds, isFinal, noteRefund, refundsOf, withRefund } from "./refunds.js";
import { bookingOf, isOver, nextAction } from "./steps.js";
import { dropTicket } from "./tickets.js";

/** How often a pending booking or refund is asked for. */
const ASK_AGAIN_MS = 4000;
const SYNC_MS = 500;

export class Flow extends Holding {
  /** @param {SeatMap} map @param {string} show @param {{pay?: ShopPay}} [shop] the checkout of the shop that the page is part of */
  constructor(map, show, { pay } = {}) {
    super(map, show);
    this._shopPay = pay ?? null;
    /** How the buyer can be reached, in the memory of this page only. @type {Contact | null} */
    this.contact = null;
    const { signal } = this._abort;
    /** @param {string} name @param {(detail: any) => void} handle */
    const on = (name, handle) =>
      map.addEventListener(name, (event) => handle(/** @type {CustomEvent} */ (event).detail), { signal });
    on("holdexpired", (news) => this._expired(news));
    on("bookingsettled", ({ booking }) => this.settled(booking));
    on("refundupdated", ({ refund }) => this._refunded(refund.hold, refund));
    on("statuschange", ({ connection }) => {
      if (connection !== "online") return;
      this.resume();
      this._settleLeftovers();
    });
    const visible = () => {
      if (document.visibilityState === "visible" && (this.step === "held" || this.step === "away")) this.resume();
    };
    document.addEventListener("visibilitychange", visible, { signal });
    // The browser kept the page while the buyer was at the gateway's, and shows it again.
    addEventListener("pageshow", (event) => event.persisted && this.resume(), { signal });
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
    this.prices = record.prices ?? null;
    const { request, seats, hold = "", payment = "", booking = "" } = record;
    this.refunds = refundsOf(hold).reduce(withRefund, this.refunds);
    switch (nextAction(record)) {
      case "booked":
        this._booked({ id: booking, seats });
        return this._askForRefunds(hold);
      case "over":
        return this._isOver(hold);
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

  /** Pay, or go on with a payment that was begun. */
  async pay() {
    const { hold } = readRecord(this._show) ?? {};
    if (!hold || this._busy) return;
    const goesOn = this.step === "away";
    const payOnce = async () => {
      // Another tab may have begun to pay while this one waited for its turn.
      const before = readRecord(this._show);
      if (before?.hold !== hold || before.booking || before.payment || (before.order && before.paying && !goesOn))
        return;
      this._updateRecord({ paying: true, declined: undefined });
      const { order, prices } = await orderPayment(this._map, hold, this.contact);
      this._updateRecord({ order: order.id, prices });
      this.dispatchEvent(new CustomEvent("paying", { detail: { hold } }));
      const payment = await takePayment(order, this._shopPay, this._map.live?.paymentTimeoutS);
      if (payment) this._updateRecord({ payment, paying: undefined });
    };
    this.declined = false;
    await this._attempt("paying", () => this._exclusively(payOnce), "held");
    if (!this.error) return this.resume();
    if (!readRecord(this._show)?.order || !this._retryable) this._updateRecord({ paying: undefined });
    if (isOver(this.error)) this._end("expired", this.error);
    else if (this.step === "held" && !this.remaining) await this.resume();
  }

  // --- inside: paying -----------------------------------------------------------------------------------------------
  // A payment was begun, before a reload or in another tab, and its proof did not arrive.
  /** @param {string} hold */
  async _findPayment(hold) {
    const find = async () => {
      // What another tab wrote under the lock may arrive here after the lock was released.
      if (!readRecord(this._show)?.order) await new Promise((arrived) => setTimeout(arrived, SYNC_MS));
      const now = readRecord(this._show);
      if (now?.hold !== hold || !now.paying || now.payment || now.booking) return;
      // Without an order nobody was sent to pay.
      if (!now.order) this._updateRecord({ paying: undefined });
      else this._apply(await this._timed(() => this._map.resume(hold)));
    };
    const step = this.step === "away" ? "away" : "paying";
    await this._attempt(step, () => this._exclusively(find), "away");
    if (isOver(this.error)) this._end("expired", this.error);
    else if (this.step === "away") this._askAgain();
    else if (!this.error && this.step === "paying") await this.resume();
    else if (this.step === "pending") this._askAgain();
  }

  /** @param {string} hold @param {string} payment */
  async _confirm(hold, payment) {
    if (this.step === "booked" || this._busy) return;
    const confirm = async () => {
      const { booking, refund } = await this._map.confirm(hold, payment, this.seats, this.contact);
      if (refund) this._refunded(hold, refund);
      if (booking.state === "booked") this._booked(booking);
      else {
        this.delivered = true;
        this._enter("pending");
      }
    };
    await this._attempt(this.step === "pending" ? "pending" : "confirming", confirm, "pending");
    this.gatewaySilent = this.error === "payment_unavailable";
    if (this.error && this._refund) this._refunded(hold, this._refund);
    if (this.error === "payment_refused") {
      this._updateRecord({ payment: undefined });
      await this._resumeHold(hold);
      this.error = "payment_refused";
      this._changed();
    } else if (this.error && this.error !== "offline" && !this._retryable) {
      this._end("rejected", this.error === "booking_rejected" ? "" : this.error);
      await this._askForRefunds(hold);
    } else if (this.step === "pending") {
      this._changed();
      this._askAgain();
    }
  }

  // The booking ended after a payment was begun: it may have become a booking, or a refund.
  /** @param {string} hold */
  async _isOver(hold) {
    const { over = "expired", reason = "" } = readRecord(this._show) ?? {};
    this.reason = reason;
    await this._attempt(over, async () => {
      const ack = await this._timed(() => this._map.resume(hold));
      if (ack.hold.state !== "booked" && ack.hold.state !== "confirming") return;
      this._updateRecord({ over: undefined });
      this.late = true;
      this._apply(ack);
    });
    if (isOver(this.error)) {
      this.error = "";
      this._changed();
    }
    if (this.step === "pending") this._askAgain();
    else await this._askForRefunds(hold);
  }

  // An event reports what is asked for here; should it be lost, this finds out.
  _askAgain() {
    clearTimeout(this._again);
    if (this._abort.signal.aborted) return;
    const asked = this.step;
    this._again = setTimeout(() => {
      if (this.step === asked) this.resume();
    }, ASK_AGAIN_MS);
  }

  // --- inside: events of the server ---------------------------------------------------------------------------------
  /** @param {{hold: string, reason?: string}} news */
  _expired({ hold, reason }) {
    const record = readRecord(this._show);
    if (record?.hold !== hold || record.payment) return;
    // While the buyer is paying on this page, the result decides: a late payment books the seats if they are free.
    if (record.paying && this.step !== "away") return;
    this._end("expired", reason === "lost" ? "hold_lost" : "");
  }

  /** @param {{id: string, state: string, seats?: string[]}} booking */
  settled(booking) {
    const { hold, over } = readRecord(this._show) ?? {};
    if (!hold || bookingOf(hold) !== booking.id) return;
    this.late = Boolean(over);
    if (booking.state === "booked") this._booked({ id: booking.id, seats: booking.seats ?? this.seats });
    else if (booking.state === "cancelled") {
      dropTicket(booking.id, this._show);
      this._reset();
    } else {
      this._end("rejected", "");
      this._askForRefunds(hold);
    }
  }

  /** @param {string} hold @param {Refund} refund */
  _refunded(hold, refund) {
    noteRefund(hold, refund);
    if (readRecord(this._show)?.hold !== hold) return;
    this.refunds = withRefund(this.refunds, refund);
    // The hold ended on another way than this page knows, such as by the gateway's late report.
    if (this.step === "away") this.resume();
    else this._changed();
  }

  /** @param {string} hold */
  async _askForRefunds(hold) {
    const { order, payment } = readRecord(this._show) ?? {};
    if (!order && !payment) return;
    try {
      const refunds = await askRefunds(this._map.live?.connection.base ?? location.origin, hold);
      if (this._abort.signal.aborted || readRecord(this._show)?.hold !== hold) return;
      for (const refund of refunds) noteRefund(hold, refund);
      this.refunds = refunds.reduce(withRefund, this.refunds);
      if (refunds.length) this._changed();
    } catch {
      // Asked again after the next reconnect.
    }
    const expected = this.step === "rejected" && !this.refunds.length;
    if (expected || !this.refunds.every(isFinal)) this._askAgain();
  }
}
