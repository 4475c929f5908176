/**
 * The bookings of this browser's owner, and those of links opened here: asked of the server, and kept for the time
 * without a network. Draws nothing.
 *
 * @import { ServerClock } from "../booking/clock.js"
 * @import { Booking } from "./kept.js"
 */
import { fetchAsOwner, ownerToken } from "../booking/owner.js";
import { RequestError } from "../seat-map/request-error.js";
import { keepBookings, keepOffset, keptBookings } from "./kept.js";
import { dropLink, linkTokens } from "./links.js";

/**
 * Ask the server. What it does not answer about is as it was kept.
 * @param {ServerClock} clock is set by the answers
 * @returns {Promise<{bookings: Booking[], problem: string}>} the problem is a key of the texts, "" for none
 */
export async function askBookings(clock) {
  const [own, linked] = await Promise.all([askOwn(clock), askLinked(clock)]);
  const ids = new Set(own.bookings.map(({ id }) => id));
  const bookings = [...own.bookings, ...linked.bookings.filter(({ id }) => !ids.has(id))];
  keepBookings(bookings);
  return { bookings, problem: own.problem || linked.problem };
}

/** @param {ServerClock} clock @returns {Promise<{bookings: Booking[], problem: string}>} */
async function askOwn(clock) {
  if (!ownerToken()) return { bookings: [], problem: "" };
  const kept = keptBookings().filter(({ linked }) => !linked);
  try {
    const { bookings, missing } = await askTimed(clock, "/bookings");
    const old = kept.filter(({ id }) => missing.includes(id.slice(0, id.indexOf("-"))));
    return { bookings: [...bookings, ...old], problem: missing.length ? "ticketsMissing" : "" };
  } catch {
    return { bookings: kept, problem: "ticketsOld" };
  }
}

/** @param {ServerClock} clock @returns {Promise<{bookings: Booking[], problem: string}>} */
async function askLinked(clock) {
  const kept = keptBookings();
  let problem = "";
  const askOne = async (/** @type {string} */ linked) => {
    const known = kept.find((booking) => booking.linked === linked);
    try {
      return { ...(await askTimed(clock, "/tickets/linked", { token: linked })).booking, linked };
    } catch (error) {
      const over = error instanceof RequestError && ["link_invalid", "booking_not_found"].includes(error.code);
      if (over) dropLink(linked);
      if (over || !known) problem = over ? "linkOver" : "linkWaits";
      return over ? undefined : known;
    }
  };
  const bookings = await Promise.all(linkTokens().map(askOne));
  return { bookings: bookings.filter(Boolean), problem };
}

/**
 * One booking of this browser's owner; null while the ledger has not recorded it. Keeps nothing.
 * @param {string} id
 * @param {string} [server] origin of a node; default: this page's
 * @returns {Promise<Booking | null>}
 * @throws {RequestError | Error}
 */
export async function askBooking(id, server) {
  const { bookings } = await ask(`/bookings?booking=${encodeURIComponent(id)}`, { server });
  return bookings.find((/** @type {Booking} */ booking) => booking.id === id) ?? null;
}

/** @param {string} id @returns {Promise<{refund: {amount: number}}>} @throws {RequestError | Error} */
export async function cancelBooking(id) {
  return ask(`/bookings/${encodeURIComponent(id)}/cancel`, { method: "POST" });
}

/**
 * Stop the links to a ticket that were made until now.
 * @param {string} id
 * @returns {Promise<Booking>} with its new link
 * @throws {RequestError | Error} also if they were stopped, and there is no answer about the new link
 */
export async function stopLinks(id) {
  await ask(`/bookings/${encodeURIComponent(id)}/revoke-links`, { method: "POST" });
  const booking = await askBooking(id);
  if (!booking) throw new Error("no answer about the new link");
  return booking;
}

/** The ticket as PDF. @param {Booking} booking @param {string} language @returns {Promise<Blob>} @throws {RequestError | Error} */
export async function ticketPdf({ id, linked: token }, language) {
  const path = token ? "/tickets/linked.pdf" : `/bookings/${encodeURIComponent(id)}/ticket.pdf`;
  return (await request(`${path}?lang=${language}`, { token })).blob();
}

/** Ask, and set the clock by the answer. @param {ServerClock} clock @param {string} path @param {{token?: string}} [how] @returns {Promise<any>} */
async function askTimed(clock, path, how) {
  const asked = performance.now();
  const answer = await ask(path, how);
  // A node of the previous release does not state its time.
  if (answer.server_time) {
    clock.set(answer.server_time, asked);
    keepOffset(clock.offset);
  }
  return answer;
}

/** @param {string} path @param {{method?: string, token?: string, server?: string}} [how] @returns {Promise<any>} */
async function ask(path, how = {}) {
  return (await request(path, how)).json();
}

/** @param {string} path @param {{method?: string, token?: string, server?: string}} how */
async function request(path, how) {
  const answer = await fetchAsOwner(path, how);
  if (!answer.ok) {
    const { error } = await answer.json();
    throw new RequestError(error);
  }
  return answer;
}
