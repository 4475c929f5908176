/**
 * Creates elements without HTML strings, so that data from the server can never become markup.
 */

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

/** @type {Record<string, string>} paths of 24 x 24 line icons */
const ICONS = {
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  list: "M9 6h11M9 12h11M9 18h11M4.500 6h.01M4.500 12h.01M4.500 18h.01",
  map: "M4 6.500l5-2 6 2 5-2v13l-5 2-6-2-5 2zM9 4.500v13M15 6.500v13",
  wheelchair: "M10.500 4.500v.010M10.500 8v6h5l2.500 5M8 11.500a5 5 0 1 0 6.500 6.500",
  info: "M12 11v5M12 8v.01M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
  close: "M6 6l12 12M18 6L6 18",
  next: "M9 5l7 7-7 7",
  back: "M15 5l-7 7 7 7",
  clock: "M12 7v5l3 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
  ticket: "M4 7h16v3.5a1.5 1.5 0 0 0 0 3V17H4v-3.5a1.5 1.5 0 0 0 0-3zM14 7v2M14 11v2M14 15v2",
  check: "M5 12.5l4.5 4.5L19 7.5",
  seat: "M7 4h10v8H7zM5 12h14v5H5zM7 17v3M17 17v3",
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M15.5 15.5L20 20",
  moon: "M19 14.5A8 8 0 0 1 9.5 5a8 8 0 1 0 9.500 9.500z",
  alert: "M12 4l9 16H3zM12 10v4M12 17v.2",
  globe:
    "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M3 12h18M12 3c3 2.500 4 5.500 4 9s-1 6.500-4 9M12 3c-3 2.500-4 5.500-4 9s1 6.500 4 9",
  lock: "M6 11h12v9H6zM8.5 11V8a3.500 3.500 0 0 1 7 0v3",
  calendar: "M4 6h16v14H4zM4 10h16M8 3v5M16 3v5",
};

/** @param {string} name @returns {SVGSVGElement} */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}
