/** Rupees and Indian time, the same on every page. */

const rupeeFormat = new Intl.NumberFormat("en-IN", { style: "currency", currency: "INR", maximumFractionDigits: 0 });
/** @param {Intl.DateTimeFormatOptions} options */
const inIndia = (options) => new Intl.DateTimeFormat("en-IN", { timeZone: "Asia/Kolkata", ...options });
const timeFormat = inIndia({ hour: "2-digit", minute: "2-digit", hour12: false });
const dayFormat = inIndia({ weekday: "long", day: "numeric", month: "long" });

/** @param {number} amount whole rupees */
export const rupees = (amount) => rupeeFormat.format(amount);

/** @param {string} iso */
export const clockTime = (iso) => timeFormat.format(new Date(iso));

/** @param {string} iso */
export const day = (iso) => dayFormat.format(new Date(iso));

/** @param {number} ms time left; never below zero @returns {string} m:ss */
export function countdown(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
