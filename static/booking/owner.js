/**
 * Requests as the owner of this browser's bookings. The identity token is the one that the seat map gets
 * (`../seat-map/connection.js`).
 */
import { recall } from "../app/page.js";

const TOKEN = "tickingtickets.token";
const TIMEOUT_MS = 8000;

/** The identity token; "" before the first visit to a map. */
export function ownerToken() {
  return recall(TOKEN) ?? "";
}

/**
 * @param {string} path below /api/v1
 * @param {{method?: string, server?: string, token?: string}} [how] `server` is the origin of a node; default: this
 *   page's; `token` may be that of a link to a ticket
 * @returns {Promise<Response>} rejects without an answer
 */
export function fetchAsOwner(path, { method = "GET", server = "", token = ownerToken() } = {}) {
  return fetch(`${server}/api/v1${path}`, {
    method,
    headers: { Authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
}
