/**
 * Proof of work that a node asks for while demand is very high (docs/protocol.md, `challenge_required`).
 *
 * The form is that of altcha.org, version 1: find the number whose SHA-256 together with the salt is the challenge.
 */

const BATCH = 512;

/**
 * @typedef {{algorithm: string, challenge: string, salt: string, signature: string, maxnumber: number}} Challenge
 */

/**
 * Solve a challenge; takes about a second, in steps that leave the page usable.
 * @param {Challenge} challenge
 * @returns {Promise<string | null>} what the request is repeated with, as `challenge`; null when this page can't solve it
 */
export async function solve({ algorithm, challenge, salt, signature, maxnumber }) {
  const encoder = new TextEncoder();
  const wanted = challenge.toLowerCase();
  // Outside https and localhost browsers have no `subtle`.
  for (let first = 0; globalThis.crypto?.subtle && algorithm === "SHA-256" && first <= maxnumber; first += BATCH) {
    const numbers = Array.from({ length: Math.min(BATCH, maxnumber - first + 1) }, (_, n) => first + n);
    const hashes = await Promise.all(
      numbers.map((number) => crypto.subtle.digest("SHA-256", encoder.encode(salt + number))),
    );
    const found = hashes.findIndex((hash) => hex(hash) === wanted);
    if (found >= 0) {
      return btoa(JSON.stringify({ algorithm, challenge, number: numbers[found], salt, signature }));
    }
  }
  return null;
}

/** @param {ArrayBuffer} hash */
function hex(hash) {
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
