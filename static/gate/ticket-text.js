/** Reads what a camera sees or somebody types, without a server: a ticket's code, or the token of a QR code. */
import { statedCode, verifyToken } from "./ticket-token.js";

const ALPHABET = "BCDFGHJKLMNPRSTVWXZ";
const MOST_TYPED = 64;
/** Of a text that is no ticket, this much is shown. */
const MOST_SHOWN = 24;
/** @type {Record<string, string>} letters and digits that are taken for a letter of the alphabet */
const LOOK_ALIKES = { O: "D", Q: "D", 0: "D", I: "L", 1: "L", U: "V", 2: "Z", 5: "S", 6: "G", 8: "B" };

/** `show` and `day` are "" for a typed code. @typedef {import("./ticket-token.js").Claims} Claims */

/**
 * @param {string} text @param {import("./ticket-token.js").PublicKey[]} keys
 * @returns {Promise<Claims | import("./ticket-token.js").Reason>} why it is neither, for a string
 */
export async function readTicket(text, keys) {
  const code = readCode(text);
  return code ? { code, show: "", day: "" } : verifyToken(text, keys);
}

/**
 * What people call a ticket: its code as it is printed, or the beginning of a text that has none. It may be forged.
 * @param {string} text what was scanned or typed
 */
export function nameOf(text) {
  const code = readCode(text) ?? readCode(statedCode(text));
  if (code) return `${code.slice(0, 4)}-${code.slice(4)}`;
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}

/** @param {string} text @returns {string | null} */
function readCode(text) {
  if (text.length > MOST_TYPED) return null;
  const code = text
    .normalize("NFKC")
    .replace(/[\s\-._/]+/g, "")
    .toUpperCase()
    .replace(/[OQ0I1U2568]/g, (letter) => LOOK_ALIKES[letter]);
  return code.length === 8 && [...code].every((letter) => ALPHABET.includes(letter)) ? code : null;
}
