/**
 * Reads the code of a ticket from what a camera sees or somebody types, without a server. Pure.
 *
 * A QR code is a signed token (realtime/tickets/token.py). Its signature is not verified here: the code is looked up in
 * the list that this device has leased, and a typed code would be as good.
 */

const ALPHABET = "BCDFGHJKLMNPRSTVWXZ";
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const VERSION = 1;
/** Where code and show are in the token's bytes, and how long its signature is. */
const CODE_AT = 5;
const SHOW_AT = 13;
const SIGNATURE_BYTES = 64;
const MOST_CHARACTERS = 512;
/** @type {Record<string, string>} letters and digits that are taken for a letter of the alphabet */
const LOOK_ALIKES = { O: "D", Q: "D", 0: "D", I: "L", 1: "L", U: "V", 2: "Z", 5: "S", 6: "G", 8: "B" };

/**
 * @param {string} text
 * @returns {{code: string, show: string} | null} `show` is "" for a typed code; null if it is neither
 */
export function readTicket(text) {
  if (text.length > MOST_CHARACTERS) return null;
  const code = text
    .normalize("NFKC")
    .replace(/[\s\-._/]+/g, "")
    .toUpperCase()
    .replace(/[OQ0I1U2568]/g, (letter) => LOOK_ALIKES[letter]);
  return isCode(code) ? { code, show: "" } : fromToken(text.trim().toUpperCase());
}

/** @param {string} text */
function isCode(text) {
  return text.length === 8 && [...text].every((letter) => ALPHABET.includes(letter));
}

/** @param {string} token @returns {{code: string, show: string} | null} */
function fromToken(token) {
  const bytes = fromBase32(token);
  if (!bytes || bytes[0] !== VERSION || bytes.length <= SHOW_AT + SIGNATURE_BYTES) return null;
  const ascii = (/** @type {number} */ from, /** @type {number} */ to) =>
    String.fromCharCode(...bytes.subarray(from, to));
  const code = ascii(CODE_AT, SHOW_AT);
  return isCode(code) ? { code, show: ascii(SHOW_AT, bytes.length - SIGNATURE_BYTES) } : null;
}

/** @param {string} text without padding @returns {Uint8Array | null} */
function fromBase32(text) {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  let [bits, held, filled] = [0, 0, 0];
  for (const letter of text) {
    const value = BASE32.indexOf(letter);
    if (value < 0) return null;
    bits = ((bits << 5) | value) & 0xfff;
    held += 5;
    if (held >= 8) {
      held -= 8;
      bytes[filled++] = (bits >> held) & 0xff;
    }
  }
  return bytes;
}
