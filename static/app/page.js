/**
 * What all pages share: language, theme, the bar with the switches for both, and the banner of a demo.
 */
import { isLoaded, languages, loadLanguage, supported, translator } from "../i18n/i18n.js";
import { showDemoBanner } from "./demo.js";
import { h, icon } from "./dom.js";

const LOCALE = "tickingtickets.locale";
const THEME = "tickingtickets.theme";

/** Values that could not be stored; they last as long as the page. @type {Map<string, string | null>} */
const memory = new Map();

/** @param {string} key @returns {string | null} */
export function recall(key) {
  if (memory.has(key)) return memory.get(key) ?? null;
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/**
 * A list that was remembered as JSON. Any script of this origin may have written there: what is not sound is left out.
 * @param {string} key
 * @param {(each: any) => boolean} [isSound]
 * @returns {any[]} empty where there is none
 */
export function recallList(key, isSound = () => true) {
  try {
    const all = JSON.parse(recall(key) ?? "[]");
    return Array.isArray(all) ? all.filter((each) => isSound(each)) : [];
  } catch {
    return [];
  }
}

/** @param {string} key @param {string | null} value null removes it */
export function remember(key, value) {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
    memory.delete(key);
  } catch {
    memory.set(key, value);
  }
}

/** Whether what was remembered so far is still there after this page is left. */
export function isDurable() {
  return memory.size === 0;
}

/** Part `n` of the address, decoded; "" where there is none or it is malformed. @param {number} n */
export function addressPart(n) {
  try {
    return decodeURIComponent(location.pathname.split("/").filter(Boolean)[n] ?? "");
  } catch {
    return "";
  }
}

/** The chosen language, by default the device's. */
export function locale() {
  return supported(recall(LOCALE) ?? navigator.language);
}

/** @returns {"light" | "dark"} the chosen theme, by default the device's */
export function theme() {
  const chosen = recall(THEME);
  if (chosen === "light" || chosen === "dark") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/**
 * Set up the bar. `changed` is called as soon as the texts are there, and whenever the language or the theme changes.
 * @param {HTMLElement} bar
 * @param {(i18n: import("../i18n/i18n.js").Translator, theme: "light" | "dark") => void} changed
 * @returns {Promise<void>} resolves after the first call of `changed`
 */
export async function setUpPage(bar, changed) {
  const apply = () => {
    const i18n = translator(locale());
    document.documentElement.lang = i18n.code;
    document.documentElement.dataset.theme = theme();
    for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-t]"))) {
      element.textContent = i18n.t(element.dataset.t ?? "");
    }
    bar.replaceChildren(languageSwitch(i18n.t("languageLabel"), apply), themeSwitch(i18n.t("darkTheme"), apply));
    showDemoBanner(i18n);
    changed(i18n, theme());
  };
  if (!isLoaded(locale())) await loadLanguage(locale());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  apply();
}

/** @param {string} label @param {() => void} apply */
function languageSwitch(label, apply) {
  const choose = async (/** @type {Event} */ event) => {
    const code = /** @type {HTMLSelectElement} */ (event.target).value;
    await loadLanguage(code);
    remember(LOCALE, code);
    apply();
    /** @type {HTMLElement | null} */ (document.querySelector("select.language"))?.focus();
  };
  const select = h("select", { class: "language", "aria-label": label, onchange: choose });
  for (const { code, name } of languages)
    select.append(h("option", { value: code, lang: code, selected: code === locale() }, name));
  return h("span", { class: "language-switch" }, icon("globe"), select);
}

/** @param {string} label @param {() => void} apply */
function themeSwitch(label, apply) {
  const turn = () => {
    remember(THEME, theme() === "dark" ? "light" : "dark");
    apply();
    /** @type {HTMLElement | null} */ (document.querySelector("button.theme"))?.focus();
  };
  return h(
    "button",
    {
      class: "theme",
      type: "button",
      "aria-label": label,
      title: label,
      "aria-pressed": String(theme() === "dark"),
      onclick: turn,
    },
    icon("moon"),
  );
}
