/**
 * Decides whether a ticket admits. The server does; where it does not answer, this device does, about tickets that it
 * has leased (offline-gate.js). A device with a lease refuses a forged QR code without asking the server. Draws nothing.
 *
 * @import { OfflineGate } from "./offline-gate.js"
 */
import { ApiError, ask } from "../ops/api.js";
import { readTicket } from "./ticket-text.js";

const TIMEOUT_MS = 20000;
/** How long the server is asked about a ticket with which this device may admit by itself. */
const LEASED_TIMEOUT_MS = 4000;

/** @typedef {{theatre: string, gate: string}} Place */
/** @typedef {{booking: {title: string, starts_at: string, seats: {id: string, section?: string, row?: string, number?: string}[]}}} Admission */

/**
 * @param {string} ticket what was scanned or typed @param {OfflineGate} offline @param {Place} place
 * @returns {Promise<Admission>}
 * @throws {ApiError} why it does not admit
 */
export async function decide(ticket, offline, place) {
  const read = await readTicket(ticket, offline.lease?.keys ?? []);
  if (read === "signature") throw unreadable(read);
  const { before, seats } = typeof read === "string" ? { before: null, seats: null } : await offline.look(read.code);
  if (before) throw alreadyHere(before);
  try {
    const answer = await admit(ticket, offline, place, seats ? LEASED_TIMEOUT_MS : TIMEOUT_MS);
    await offline.remember(answer.booking.code);
    return answer;
  } catch (error) {
    if (!(error instanceof ApiError && hasNoAnswer(error) && offline.leftMs)) throw error;
    if (typeof read === "string") throw unreadable(read);
    return decideHere(read, offline);
  }
}

/** @param {import("./ticket-text.js").Claims} read @param {OfflineGate} offline @returns {Promise<Admission>} */
async function decideHere({ code, show, day }, offline) {
  const leased = /** @type {import("./offline-gate.js").Lease} */ (offline.lease).show;
  if (show && show !== leased.id) throw new ApiError(0, { code: "wrong_show", day });
  const { before, seats } = await offline.admit(code);
  if (before) throw alreadyHere(before);
  if (!seats) throw new ApiError(0, { code: "not_leased", genuine: Boolean(show) });
  return { booking: { ...leased, seats } };
}

/** @param {ApiError} error whether the server did not decide */
function hasNoAnswer({ code, status }) {
  return code === "offline" || status >= 500;
}

/** @param {import("./ticket-token.js").Reason} reason */
function unreadable(reason) {
  return new ApiError(0, { code: "ticket_unreadable", reason });
}

/** @param {import("./offline-gate.js").Admitted} before */
function alreadyHere({ at, gate }) {
  return new ApiError(0, { code: "already_admitted", admitted_at: at, gate });
}

/** @param {string} ticket @param {OfflineGate} offline @param {Place} place @param {number} timeoutMs @returns {Promise<any>} */
async function admit(ticket, offline, place, timeoutMs) {
  // One request id for both attempts: an answer that was lost is the same answer the next time.
  const headers = { "Idempotency-Key": crypto.getRandomValues(new Uint32Array(4)).join("-") };
  const lease = offline.lease?.state === "held" ? offline.lease.id : undefined;
  const send = () => ask("/gate/admit", { ticket, ...place, lease }, { timeoutMs, headers });
  return send().catch((error) => {
    if (error.code !== "offline" || timeoutMs < TIMEOUT_MS) throw error;
    return send();
  });
}
