/**
 * Verifies the text of a ticket's QR code without a server: a token that its region has signed with Ed25519, as
 * realtime/tickets/token.py describes it. Pure.
 */

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const VERSION = 1;
/** Signed in front of the content. */
const DOMAIN = new TextEncoder().encode("tickingtickets ticket v1\0");
/** Where the key's number, the day, the code and the show are in the token's bytes. */
const [KEY_AT, DAY_AT, CODE_AT, SHOW_AT] = [1, 2, 5, 13];
const SIGNATURE_BYTES = 64;
const MOST_SHOW_BYTES = 64;
const MOST_CHARACTERS = 512;

/** Public keys as `GET /api/v1/tickets/keys` has them; `kid` is the region and the key's number. @typedef {{kid: string, x: string}} PublicKey */
/** `day` is that of the show in India, 2026-01-31. @typedef {{code: string, show: string, day: string}} Claims */
/** Why a token is not accepted: names of `InvalidReason` in token.py. @typedef {"malformed" | "version" | "unknown_key" | "signature"} Reason */

/**
 * @param {string} text @param {PublicKey[]} keys
 * @returns {Promise<Claims | Reason>} what the token states
 */
export async function verifyToken(text, keys) {
  if (text.length > MOST_CHARACTERS) return "malformed";
  const bytes = fromBase32(text.trim().toUpperCase());
  if (!bytes || bytes.length <= SIGNATURE_BYTES) return "malformed";
  if (bytes[0] !== VERSION) return "version";
  const content = bytes.subarray(0, -SIGNATURE_BYTES);
  if (content.length <= SHOW_AT || content.length > SHOW_AT + MOST_SHOW_BYTES) return "malformed";
  const claims = read(content);
  const kid = `${claims.show.split("-")[0]}.${content[KEY_AT]}`;
  const trusted = keys.filter((key) => key.kid === kid);
  if (!trusted.length) return "unknown_key";
  const signed = new Uint8Array([...DOMAIN, ...content]);
  for (const key of trusted) if (await hasSigned(key, signed, bytes.subarray(-SIGNATURE_BYTES))) return claims;
  return "signature";
}

/** The code that a token states, which may be forged; "" if it states none. @param {string} text */
export function statedCode(text) {
  const bytes = text.length <= MOST_CHARACTERS && fromBase32(text.trim().toUpperCase());
  return bytes && bytes.length > SHOW_AT && bytes[0] === VERSION ? read(bytes).code : "";
}

/** @param {Uint8Array} content @returns {Claims} */
function read(content) {
  const ascii = (/** @type {number} */ from, /** @type {number} */ to) =>
    String.fromCharCode(...content.subarray(from, to));
  const days = content[DAY_AT] * 256 + content[DAY_AT + 1];
  const day = new Date(days * 24 * 3600 * 1000).toISOString().slice(0, 10);
  return { code: ascii(CODE_AT, SHOW_AT), show: ascii(SHOW_AT, content.length), day };
}

/**
 * Where the browser has no Ed25519, or the page came over plain HTTP, every key has signed: a gate looks the code up as
 * one that somebody typed.
 * @param {PublicKey} key @param {Uint8Array<ArrayBuffer>} signed @param {Uint8Array<ArrayBuffer>} signature
 */
async function hasSigned({ x }, signed, signature) {
  if (!crypto.subtle) return true;
  const jwk = { kty: "OKP", crv: "Ed25519", x };
  try {
    const key = await crypto.subtle.importKey("jwk", jwk, "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", key, signature, signed);
  } catch (error) {
    if (error instanceof DOMException && error.name === "NotSupportedError") return true;
    throw error;
  }
}

/** @param {string} text without padding @returns {Uint8Array<ArrayBuffer> | null} */
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
