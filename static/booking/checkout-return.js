/**
 * What a gateway sends the buyer back with: `order`, and `proof` or `status` in the address of the page.
 *
 * A link can be forged: an answer counts only for the order that this browser was sent to pay, and the server verifies
 * the proof.
 */
import { readRecord, writeRecord } from "./record.js";

const NAMES = ["order", "proof", "status"];

/** Read the answer, remove it from the address, and store it in the record of the show. @param {string} show */
export function storeCheckoutReturn(show) {
  const query = new URLSearchParams(location.search);
  const order = query.get("order");
  if (!order) return;
  const proof = query.get("proof");
  const declined = query.get("status") === "declined";
  const record = readRecord(show);
  if (record?.order === order && !record.booking && !record.over) {
    if (proof) writeRecord(show, { ...record, payment: proof, paying: undefined, declined: undefined });
    else if (declined) writeRecord(show, { ...record, paying: undefined, declined: true });
  }
  for (const name of NAMES) query.delete(name);
  history.replaceState(null, "", location.pathname + (query.size ? `?${query}` : "") + location.hash);
}
