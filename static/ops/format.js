/**
 * Figures as operators read them. Pure.
 *
 * @import { Translator } from "../i18n/i18n.js"
 */

/** @param {number} value @param {Translator} i18n */
export function perSecond(value, i18n) {
  return i18n.count(value < 10 ? Math.round(value * 10) / 10 : Math.round(value));
}

/** @param {number} share @param {Translator} i18n */
export function percent(share, i18n) {
  return `${i18n.count(Math.round(share * 100))} %`;
}

/** @param {number | null} value @param {Translator} i18n */
export function milliseconds(value, i18n) {
  if (value === null) return "–";
  return value < 1000 ? i18n.t("opsMs", { n: Math.round(value) }) : i18n.t("opsS", { n: Math.round(value / 100) / 10 });
}

/** When something happened, to the second. @param {string | number} when @param {Translator} i18n */
export function moment(when, i18n) {
  return `${i18n.shortDay(when)}, ${i18n.clock(when)}`;
}

/** A time that may be hours or days long. @param {number} ms @param {Translator} i18n */
export function duration(ms, i18n) {
  const minutes = ms / 60_000;
  if (minutes < 1) return milliseconds(ms, i18n);
  if (minutes < 90) return i18n.t("opsMin", { n: Math.round(minutes) });
  return i18n.t("opsHours", { n: Math.round(minutes / 6) / 10 });
}
