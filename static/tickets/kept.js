/**
 * The bookings that this browser keeps for the time without a network, and how wrong the clock of the device is.
 *
 * @typedef {object} Booking as `GET /api/v1/bookings` lists it; amounts in paise, times in ms unless they are strings
 * @property {string} id
 * @property {string} code as printed; "" for bookings of the first releases
 * @property {string | null} [ticket] the text of the QR code; null or absent if the booking does not stand
 * @property {string} [link] opens the ticket on another device; "" or absent where that is not possible
 * @property {string} [linked] the token of the link by which this browser knows the booking, if it is not its own
 * @property {string} show
 * @property {string} title
 * @property {string} theatre
 * @property {string} city
 * @property {string} starts_at
 * @property {number} booked_at
 * @property {number} amount
 * @property {Prices | null} prices
 * @property {{id: string, section: string, row: string, number: string}[]} seats
 * @property {"booked" | "cancelled"} state
 * @property {number} cancel_until
 * @property {number | null} [admitted_at]
 *
 * @import { Prices } from "../seat-map/types.js"
 */
import { recall, recallList, remember } from "../app/page.js";

const KEY = "tickingtickets.bookings";
const OFFSET = "tickingtickets.clock";

/** @returns {Booking[]} as the server sent them last */
export function keptBookings() {
  return recallList(KEY, (each) => typeof each?.id === "string" && Array.isArray(each.seats));
}

/** @param {Booking} booking */
export function keepBooking(booking) {
  keepBookings([booking, ...keptBookings().filter(({ id }) => id !== booking.id)]);
}

/** @param {Booking[]} bookings all that are to be kept */
export function keepBookings(bookings) {
  remember(KEY, JSON.stringify(bookings));
}

/** How far the server's clock was ahead of the device's when it answered last, ms; 0 before it did. */
export function keptOffset() {
  return Number(recall(OFFSET)) || 0;
}

/** @param {number} ms */
export function keepOffset(ms) {
  remember(OFFSET, String(Math.round(ms)));
}
