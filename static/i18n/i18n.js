/**
 * Texts, numbers and times in the language of the reader. Each language is a file next to this one, which is loaded when
 * it is needed; a text that it lacks is shown in English. Times are in the time zone of India and money in rupees,
 * whatever the device is set to.
 */
import en from "./en.js";

/** @typedef {string | {one: string, other: string}} Phrase */
/** @typedef {Record<string, Phrase>} Phrases */
/** @typedef {ReturnType<typeof makeTranslator>} Translator */

/** How each language is called in itself, and how its texts are loaded. @type {Record<string, {name: string, load: () => Promise<{default: Phrases}>}>} */
const LANGUAGES = {
  en: { name: "English", load: async () => ({ default: en }) },
  hi: { name: "हिन्दी", load: () => import("./hi.js") },
};
/** The texts that were loaded. @type {Record<string, Phrases>} */
const loaded = { en };
/** By language, how names of the data are shown: cities, theatres, titles, sections, categories. @type {Record<string, Map<string, string>>} */
const shown = {};
const ZONE = "Asia/Kolkata";

/** @type {readonly {code: string, name: string}[]} */
export const languages = Object.entries(LANGUAGES).map(([code, { name }]) => ({ code, name }));

/** Load the texts of a supported language; false if they can't be had now. @param {string} code @returns {Promise<boolean>} */
export async function loadLanguage(code) {
  if (isLoaded(code)) return true;
  try {
    const [texts, names] = await Promise.all([LANGUAGES[code].load(), namesIn(code)]);
    shown[code] = new Map(Object.entries(names));
    loaded[code] = texts.default;
    return true;
  } catch {
    return false;
  }
}

/** The operator's names in a language; without them names stay as they are. @param {string} code @returns {Promise<Record<string, string>>} */
async function namesIn(code) {
  try {
    const answer = await fetch(new URL(`/api/v1/names/${code}`, import.meta.url));
    return answer.ok ? (await answer.json()).names : {};
  } catch {
    return {};
  }
}

/** Whether its texts are there. @param {string} code */
export function isLoaded(code) {
  return code in loaded;
}

/** @param {string | null | undefined} wanted @returns {string} a supported language */
export function supported(wanted) {
  const code = (wanted ?? "").slice(0, 2).toLowerCase();
  return code in LANGUAGES ? code : "en";
}

/** Made once for each language: what formats numbers and dates takes long to make. @type {Map<string, Translator>} */
const made = new Map();

/** The translator for a language; its texts are in English until they are loaded. @param {string} locale @returns {Translator} */
export function translator(locale) {
  const code = supported(locale);
  const key = isLoaded(code) ? code : `${code}, in English`;
  const known = made.get(key) ?? makeTranslator(code, loaded[code] ?? en);
  made.set(key, known);
  return known;
}

/** Write a time; one that can't be read is a dash, so that it does not spoil a list. @param {Intl.DateTimeFormat} format @param {string | number} when */
function written(format, when) {
  const at = new Date(when);
  return Number.isNaN(at.getTime()) ? "–" : format.format(at);
}

/** @template T @param {() => T} make @returns {() => T} makes it when it is needed for the first time */
function once(make) {
  /** @type {T | undefined} */
  let value;
  return () => {
    value ??= make();
    return value;
  };
}

/** @param {string} code @param {Phrases} words */
function makeTranslator(code, words) {
  const tag = `${code}-IN`;
  const plural = once(() => new Intl.PluralRules(tag));
  const exact = once(() => new Intl.NumberFormat(tag, { style: "currency", currency: "INR" }));
  const whole = once(
    () => new Intl.NumberFormat(tag, { style: "currency", currency: "INR", maximumFractionDigits: 0 }),
  );
  const rupees = (/** @type {number} */ amount) => (Number.isInteger(amount) ? whole() : exact()).format(amount);
  const count = once(() => new Intl.NumberFormat(tag));
  const time = once(() => new Intl.DateTimeFormat(tag, { timeZone: ZONE, hour: "numeric", minute: "2-digit" }));
  const clock = once(
    () => new Intl.DateTimeFormat(tag, { timeZone: ZONE, hour: "numeric", minute: "2-digit", second: "2-digit" }),
  );
  const day = once(
    () => new Intl.DateTimeFormat(tag, { timeZone: ZONE, weekday: "long", day: "numeric", month: "long" }),
  );
  const shortDay = once(
    () => new Intl.DateTimeFormat(tag, { timeZone: ZONE, weekday: "short", day: "numeric", month: "short" }),
  );
  const key = once(() => new Intl.DateTimeFormat("en-CA", { timeZone: ZONE }));
  const list = once(() => new Intl.ListFormat(tag, { type: "conjunction" }));
  /**
   * @param {string} name
   * @param {Record<string, string | number>} [values] `n` also chooses between one and many
   */
  const t = (name, values = {}) => {
    const phrase = words[name] ?? en[/** @type {keyof typeof en} */ (name)] ?? name;
    const text =
      typeof phrase === "string" ? phrase : phrase[plural().select(Number(values.n)) === "one" ? "one" : "other"];
    return text.replace(/\{(\w+)\}/g, (_, value) => {
      const given = values[value];
      return typeof given === "number" ? count().format(given) : (given ?? "");
    });
  };
  const named = (/** @type {string} */ name) => shown[code]?.get(name);
  return {
    code,
    t,
    /** A name of the data in this language, or as it is. The number of a block may follow it. @param {string} name */
    name: (name) => named(name) ?? name.replace(/.+(?= \(\d+\)$)/, (plain) => named(plain) ?? plain),
    /** @param {string} name whether there is such a phrase */
    has: (name) => name in words || name in en,
    /** Paise are shown only where there are any. @param {number} amount rupees */
    rupees,
    /** As `rupees`. @param {number} paise */
    money: (paise) => rupees(paise / 100),
    /** With two decimals always, for columns of amounts. @param {number} paise */
    moneyLine: (paise) => exact().format(paise / 100),
    /** @param {number} number */
    count: (number) => count().format(number),
    /** To the second. @param {string | number} when */
    clock: (when) => written(clock(), when),
    /** @param {string | number} when */
    time: (when) => written(time(), when),
    /** @param {string | number} when */
    day: (when) => written(day(), when),
    /** @param {string | number} when */
    shortDay: (when) => written(shortDay(), when),
    /** Day and time. @param {string | number} when */
    moment: (when) => t("when", { day: written(shortDay(), when), time: written(time(), when) }),
    /** @param {string | number} when @returns {string} 2026-01-31 in India */
    dayKey: (when) => written(key(), when),
    /** @param {string[]} items */
    list: (items) => list().format(items),
  };
}
