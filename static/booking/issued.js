/**
 * The ticket that was issued for a booking: its code, and the text of its QR code. The ledger has them, and its region
 * may be slow to answer; so it is asked until they are there. Draws nothing.
 *
 * @import { Booking } from "../tickets/kept.js"
 */
import { askBooking } from "../tickets/bookings.js";

const FIRST_PAUSE_MS = 1000;
const MAX_PAUSE_MS = 15000;

export class IssuedTicket {
  /** @param {(booking: Booking) => void} changed called when the ticket has arrived */
  constructor(changed) {
    this._changed = changed;
    this._id = "";
    /** @type {Booking | null} */
    this._booking = null;
    this._timer = 0;
  }

  /**
   * The booking with its ticket, null while it is asked for.
   * @param {string} id of a booking of this browser's owner
   * @param {string} [server] origin of a node; default: this page's
   */
  of(id, server) {
    if (id !== this._id) {
      this.close();
      this._id = id;
      if (id) this._ask(id, server, FIRST_PAUSE_MS);
    }
    return this._booking;
  }

  /** Stop asking, and forget the booking. */
  close() {
    clearTimeout(this._timer);
    this._id = "";
    this._booking = null;
  }

  /** @param {string} id @param {string | undefined} server @param {number} pause ms until it is asked again */
  async _ask(id, server, pause) {
    const found = await askBooking(id, server).catch(() => null);
    if (id !== this._id) return;
    this._booking = found;
    if (found) this._changed(found);
    else this._timer = setTimeout(() => this._ask(id, server, Math.min(2 * pause, MAX_PAUSE_MS)), pause);
  }
}
