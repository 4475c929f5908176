/**
 * The booking of one person on one show: choosing -> held -> paying -> booked, kept in localStorage, so that a refresh,
 * the back button or a second tab goes on where this one is. It asks the server; it never believes itself.
 *
 * Events: `change` after each step.
 *
 * @import { Connection } from "../seat-map/connection.js"
 * @import { Booking, Hold } from "../seat-map/types.js"
 */

import { pay } from "./payment.js";

/** @typedef {"choosing" | "holding" | "held" | "paying" | "pending" | "booked"} Step */

export class BookingFlow extends EventTarget {
  /** @param {Connection} connection @param {string} show */
  constructor(connection, show) {
    super();
    this._connection = connection;
    this._show = show;
    this._key = `tickingtickets.booking.${show}`;
    /** @type {Step} */
    this.step = "choosing";
    /** @type {(Hold & {extensions_left?: number}) | null} */
    this.hold = null;
    /** @type {Booking | null} */
    this.booking = null;
    /** @type {{kind: "lost" | "expired" | "error", text: string, seats: string[]} | null} */
    this.notice = null;
    this._clockAhead = 0;
    this._expiring = 0;
    addEventListener("storage", (event) => {
      if (event.key === this._key) void this.resume();
    });
  }

  /** Time left of the hold by the server's clock, ms. */
  get left() {
    return this.hold ? this.hold.expires_at - (Date.now() - this._clockAhead) : 0;
  }

  /** Take up what this browser had going: after a reload, a reconnect, or when another tab moved on. */
  async resume() {
    const kept = this._read();
    if (!kept) {
      if (this.step !== "choosing" && this.step !== "booked") this._set("choosing", { hold: null });
      return;
    }
    try {
      const ack = await this._connection.request("hold:resume", { hold: kept.hold });
      this._clock(ack.server_time);
      const { state } = ack.hold;
      if (state === "held") {
        this._set("held", { hold: ack.hold });
        if (kept.payment) await this._confirm(kept.payment);
      } else if (state === "confirming") this._set("pending", { hold: ack.hold });
      else if (state === "booked") this._booked({ id: bookingOf(kept.hold), show: this._show, seats: ack.hold.seats, state: "booked" });
      else if (kept.payment) await this._confirm(kept.payment);
      else this._over(state === "expired" || state === "lost" ? "expired" : "error", ack.hold.seats);
    } catch (error) {
      if (codeOf(error) === "hold_not_found") this._over("expired", kept.seats);
    }
  }

  /** @param {string[]} seats */
  async take(seats) {
    this._set("holding", { notice: null });
    const ask = { show: this._show, seats, request_id: crypto.randomUUID() };
    try {
      const ack = await this._connection.request("seats:hold", ask);
      this._clock(ack.server_time);
      this._write({ hold: ack.hold.id, seats: ack.hold.seats });
      this._set("held", { hold: ack.hold });
    } catch (error) {
      const taken = /** @type {any} */ (error).details?.seats ?? [];
      const lost = codeOf(error) === "seats_taken";
      this._set("choosing", { notice: { kind: lost ? "lost" : "error", text: words(error), seats: taken } });
    }
  }

  async extend() {
    if (!this.hold) return;
    try {
      const ack = await this._connection.request("seats:extend", { hold: this.hold.id });
      this._clock(ack.server_time);
      this._set("held", { hold: ack.hold, notice: null });
    } catch (error) {
      this._set(this.step, { notice: { kind: "error", text: words(error), seats: [] } });
    }
  }

  async cancel() {
    const hold = this.hold;
    this._write(null);
    this._set("choosing", { hold: null, notice: null });
    if (hold) await this._connection.request("seats:release", { hold: hold.id }).catch(() => undefined);
  }

  async pay() {
    if (!this.hold || this.step !== "held") return;
    const { id, seats } = this.hold;
    this._set("paying", { notice: null });
    try {
      const payment = await pay(this._connection, id);
      // Kept before it is used: whatever happens now, the next page load finishes it.
      this._write({ hold: id, seats, payment });
      await this._confirm(payment);
    } catch (error) {
      this._set("held", { notice: { kind: "error", text: words(error), seats: [] } });
    }
  }

  /** Begin anew after a booking. */
  again() {
    this._write(null);
    this._set("choosing", { hold: null, booking: null, notice: null });
  }

  /** @param {{event: string, payload: any}} news from the connection */
  news({ event, payload }) {
    const kept = this._read();
    if (event === "hold:expired" && payload.hold === this.hold?.id && this.step === "held") this._over("expired", this.hold?.seats ?? []);
    if (event === "booking:settled" && payload.booking.hold === kept?.hold) {
      if (payload.booking.state === "booked") this._booked(payload.booking);
      else this._over("error", kept?.seats ?? []);
    }
  }

  /** @param {string} payment */
  async _confirm(payment) {
    const hold = this._read()?.hold;
    if (!hold) return;
    this._set("paying", {});
    try {
      const { booking } = await this._connection.request("seats:confirm", { hold, payment }, { patienceMs: 60000 });
      if (booking.state === "booked") this._booked(booking);
      else this._set("pending", {});
    } catch (error) {
      if (/** @type {any} */ (error).retryable || codeOf(error) === "offline") {
        this._set("pending", { notice: { kind: "error", text: "The connection is slow. Your payment is safe; this finishes by itself.", seats: [] } });
        setTimeout(() => void this.resume(), 3000);
      } else this._over("error", this._read()?.seats ?? [], words(error));
    }
  }

  /** @param {Booking} booking */
  _booked(booking) {
    this._write(null);
    this._set("booked", { booking, hold: null, notice: null });
  }

  /** @param {"expired" | "error"} kind @param {string[]} seats @param {string} [text] */
  _over(kind, seats, text) {
    this._write(null);
    const kind_text = kind === "expired" ? "Your time ran out, so the seats went back on sale. Take them again if they are still free." : "This booking did not go through; a payment that was made is refunded.";
    this._set("choosing", { hold: null, notice: { kind, text: text ?? kind_text, seats } });
  }

  /** @param {number} serverTime */
  _clock(serverTime) {
    this._clockAhead = Date.now() - serverTime;
  }

  /** @param {Step} step @param {Partial<Pick<BookingFlow, "hold" | "booking" | "notice">>} more */
  _set(step, more) {
    this.step = step;
    Object.assign(this, more);
    clearTimeout(this._expiring);
    // The server tells when a hold is over; should its news be lost, ask.
    if (step === "held") this._expiring = setTimeout(() => void this.resume(), Math.max(0, this.left) + 1500);
    this.dispatchEvent(new Event("change"));
  }

  /** @returns {{hold: string, seats: string[], payment?: string} | null} */
  _read() {
    try {
      return JSON.parse(localStorage.getItem(this._key) ?? "null");
    } catch {
      return null;
    }
  }

  /** @param {{hold: string, seats: string[], payment?: string} | null} kept */
  _write(kept) {
    if (kept) localStorage.setItem(this._key, JSON.stringify(kept));
    else localStorage.removeItem(this._key);
  }
}

/** @param {string} hold */
function bookingOf(hold) {
  const dot = hold.indexOf(".");
  return `${hold.slice(0, dot)}.b${hold.slice(dot + 2)}`;
}

/** @param {unknown} error */
function codeOf(error) {
  return /** @type {any} */ (error)?.code ?? "";
}

const WORDS = /** @type {Record<string, string>} */ ({
  seats_taken: "Somebody was faster with these seats. Choose others.",
  offline: "There is no connection right now. Try again in a moment.",
  region_unavailable: "This theatre's region is out of reach. Nothing is lost; try again in a moment.",
  sales_paused: "Sales are paused for a moment.",
  sales_closed: "Sales for this show are closed.",
  too_many_holds: "You are holding too many seats of this show already.",
});

/** @param {unknown} error */
function words(error) {
  return WORDS[codeOf(error)] || /** @type {any} */ (error)?.message || "Something went wrong. Try again.";
}
