/**
 * Creates elements without HTML strings, so that data from the server can never become markup.
 */
import icons from "./icons.js";

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string | number | boolean | null | undefined | ((event: any) => void)>} [attributes] functions
 *   are listeners (`onclick`), true sets an empty attribute, null and false omit it
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/**
 * A line that says what is wrong.
 * @param {string} text
 * @param {Record<string, string | null>} [attributes]
 */
export function errorLine(text, attributes = {}) {
  return h("p", { class: "error", ...attributes }, icon("alert"), h("span", {}, text));
}

/** Returns the listener of a button that copies a text, and says so. @param {string} text @param {string} done */
export function copies(text, done) {
  return async (/** @type {Event} */ { target }) => {
    await navigator.clipboard.writeText(text);
    /** @type {HTMLElement} */ (target).textContent = done;
  };
}

/** @param {string} name @returns {SVGSVGElement} */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", icons[name]);
  svg.append(path);
  return svg;
}
