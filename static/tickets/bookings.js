/**
 * The bookings of this browser's owner, and those of links opened here: asked of the server, and kept for the time
 * without a network. Draws nothing.
 *
 * @import { Prices } from "../seat-map/types.js"
 */
import { recallList, remember } from "../app/page.js";
import { fetchAsOwner, ownerToken } from "../booking/owner.js";
import { dropTicket } from "../booking/tickets.js";
import { RequestError } from "../seat-map/request-error.js";
import { dropLink, linkTokens } from "./links.js";

const KEY = "tickingtickets.bookings";

/**
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
 */

/** @returns {Booking[]} as the server sent them last */
export function keptBookings() {
  return recallList(KEY, (each) => typeof each?.id === "string" && Array.isArray(each.seats));
}

/**
 * Ask the server. What it does not answer about is as it was kept.
 * @returns {Promise<{bookings: Booking[], problem: string}>} the problem is a key of the texts, "" for none
 */
export async function askBookings() {
  const [own, linked] = await Promise.all([askOwn(), askLinked()]);
  const ids = new Set(own.bookings.map(({ id }) => id));
  const bookings = [...own.bookings, ...linked.bookings.filter(({ id }) => !ids.has(id))];
  remember(KEY, JSON.stringify(bookings));
  for (const { id, show, state } of bookings) if (state === "cancelled") dropTicket(id, show);
  return { bookings, problem: own.problem || linked.problem };
}

/** @returns {Promise<{bookings: Booking[], problem: string}>} */
async function askOwn() {
  if (!ownerToken()) return { bookings: [], problem: "" };
  const kept = keptBookings().filter(({ linked }) => !linked);
  try {
    const { bookings, missing } = await ask("/bookings");
    const old = kept.filter(({ id }) => missing.includes(id.slice(0, id.indexOf("-"))));
    return { bookings: [...bookings, ...old], problem: missing.length ? "ticketsMissing" : "" };
  } catch {
    return { bookings: kept, problem: "ticketsOld" };
  }
}

/** @returns {Promise<{bookings: Booking[], problem: string}>} */
async function askLinked() {
  const kept = keptBookings();
  let problem = "";
  const askOne = async (/** @type {string} */ linked) => {
    const known = kept.find((booking) => booking.linked === linked);
    try {
      return { ...(await ask("/tickets/linked", { token: linked })).booking, linked };
    } catch (error) {
      const over = error instanceof RequestError && ["link_invalid", "booking_not_found"].includes(error.code);
      if (over) dropLink(linked);
      if (!known) problem = over ? "linkOver" : "linkWaits";
      return over ? undefined : known;
    }
  };
  const bookings = await Promise.all(linkTokens().map(askOne));
  return { bookings: bookings.filter(Boolean), problem };
}

/** @param {string} id @returns {Promise<{refund: {amount: number}}>} @throws {RequestError | Error} */
export async function cancelBooking(id) {
  return ask(`/bookings/${encodeURIComponent(id)}/cancel`, { method: "POST" });
}

/** The ticket as PDF. @param {Booking} booking @param {string} language @returns {Promise<Blob>} @throws {RequestError | Error} */
export async function ticketPdf({ id, linked: token }, language) {
  const path = token ? "/tickets/linked.pdf" : `/bookings/${encodeURIComponent(id)}/ticket.pdf`;
  return (await request(`${path}?lang=${language}`, { token })).blob();
}

/** @param {string} path @param {{method?: string, token?: string}} [how] @returns {Promise<any>} */
async function ask(path, how = {}) {
  return (await request(path, how)).json();
}

/** @param {string} path @param {{method?: string, token?: string}} how */
async function request(path, how) {
  const answer = await fetchAsOwner(path, how);
  if (!answer.ok) {
    const { error } = await answer.json();
    throw new RequestError(error);
  }
  return answer;
}
