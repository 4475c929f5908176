/**
 * What the node wrote into the page, so that the page need not ask for it: the configuration and, on the page of a show,
 * the show and its seats (docs/protocol.md, "Pages"). Empty on other sites' pages, and where the node could not say.
 *
 * @import { Show, Snapshot } from "../seat-map/types.js"
 */

/** @typedef {{nodes: string[], demo_payments: boolean}} Config */
/** @typedef {{config?: Config, show?: Show, seats?: Snapshot}} Given */

/** @type {Given} */
export const given = read();

/** What is known of a show without asking. @param {string} id @returns {Given} */
export function givenOf(id) {
  return given.show?.id === id ? given : {};
}

/** @returns {Given} */
function read() {
  const written = globalThis.document?.getElementById("given")?.textContent;
  return written ? JSON.parse(written) : {};
}
