/**
 * The bookings of this browser's owner: asked of the server, and kept for the time without a network. Draws nothing.
 *
 * @import { Prices } from "../seat-map/types.js"
 */
import { recallList, remember } from "../app/page.js";
import { fetchAsOwner, ownerToken } from "../booking/owner.js";
import { dropTicket } from "../booking/tickets.js";
import { RequestError } from "../seat-map/request-error.js";

const KEY = "tickingtickets.bookings";

/**
 * @typedef {object} Booking as `GET /api/v1/bookings` lists it; amounts in paise, times in ms unless they are strings
 * @property {string} id
 * @property {string} code as printed; "" for bookings of the first releases
 * @property {string} [ticket] the text of the QR code; absent if the booking does not stand
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
 */

/** @returns {Booking[]} as the server sent them last */
export function keptBookings() {
  return recallList(KEY, (each) => typeof each?.id === "string" && Array.isArray(each.seats));
}

/**
 * Ask the server. Bookings of a region that does not answer are those that were kept.
 * @returns {Promise<{bookings: Booking[], missing: string[]}>}
 * @throws {RequestError | Error}
 */
export async function askBookings() {
  if (!ownerToken()) return { bookings: [], missing: [] };
  const { bookings, missing } = await ask("/bookings");
  const old = keptBookings().filter(({ id }) => missing.includes(id.slice(0, id.indexOf("-"))));
  const all = /** @type {Booking[]} */ ([...bookings, ...old]);
  remember(KEY, JSON.stringify(all));
  for (const { id, show, state } of all) if (state === "cancelled") dropTicket(id, show);
  return { bookings: all, missing };
}

/** @param {string} id @returns {Promise<{refund: {amount: number}}>} @throws {RequestError | Error} */
export async function cancelBooking(id) {
  return ask(`/bookings/${encodeURIComponent(id)}/cancel`, "POST");
}

/** The ticket as PDF. @param {string} id @param {string} language @returns {Promise<Blob>} @throws {RequestError | Error} */
export async function ticketPdf(id, language) {
  return (await request(`/bookings/${encodeURIComponent(id)}/ticket.pdf?lang=${language}`, "GET")).blob();
}

/** @param {string} path @param {string} [method] @returns {Promise<any>} */
async function ask(path, method = "GET") {
  return (await request(path, method)).json();
}

/** @param {string} path @param {string} method */
async function request(path, method) {
  const answer = await fetchAsOwner(path, { method });
  if (!answer.ok) {
    const { error } = await answer.json();
    throw new RequestError(error);
  }
  return answer;
}
