/**
 * The colours for the canvas: the element's CSS variables, and the colours of categories with enough contrast. Pure
 * except for `readPalette`.
 */

/** @typedef {{bg: string, ink: string, muted: string, line: string, taken: string, own: string, ownInk: string, shape: string, shapeInk: string, font: string, categories: {fill: string, ink: string}[]}} Palette */

/** WCAG contrast of a seat to the background; more where the plan has areas, which differ from the background a little. */
const SEAT_CONTRAST = 3;
const SEAT_CONTRAST_ON_AREAS = 3.5;

/**
 * @param {HTMLElement} host
 * @param {{categories: {color: string}[], shapes: {kind: string, color: string}[]}} layout
 * @returns {Palette}
 */
export function readPalette(host, { categories, shapes }) {
  const areas = shapes.some(({ kind, color }) => kind !== "text" && color);
  const ratio = areas ? SEAT_CONTRAST_ON_AREAS : SEAT_CONTRAST;
  const style = getComputedStyle(host);
  /** @param {string} name */
  const read = (name) => style.getPropertyValue(`--_${name}`).trim();
  const bg = read("bg");
  return {
    bg,
    ink: read("ink"),
    muted: read("muted"),
    line: read("line"),
    taken: read("taken"),
    own: read("own"),
    ownInk: read("own-ink"),
    shape: read("shape"),
    shapeInk: read("shape-ink"),
    font: style.fontFamily,
    categories: categories.map(({ color }) => {
      const fill = contrasting(color, bg, ratio);
      return { fill, ink: contrast(fill, "#ffffff") >= contrast(fill, "#14131a") ? "#ffffff" : "#14131a" };
    }),
  };
}

/**
 * Move a colour towards black or white until its contrast to the background is large enough.
 * @param {string} color hex
 * @param {string} ground hex
 * @param {number} ratio WCAG contrast wanted
 */
export function contrasting(color, ground, ratio) {
  let rgb = parse(color);
  const target = contrast(ground, "#000000") > contrast(ground, "#ffffff") ? 0 : 255;
  for (let n = 0; n < 40 && contrast(hex(rgb), ground) < ratio; n++) {
    rgb = /** @type {[number, number, number]} */ (rgb.map((v) => v + (target - v) * 0.1));
  }
  return hex(rgb);
}

/** @param {string} a @param {string} b hex colours @returns {number} WCAG contrast, 1 to 21 */
export function contrast(a, b) {
  const [x, y] = [luminance(parse(a)), luminance(parse(b))];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

/** A colour as a pixel of `ImageData` seen as 32 bits. @param {string} color hex */
export function rgba(color) {
  const [r, g, b] = parse(color);
  return LITTLE ? (0xff000000 | (b << 16) | (g << 8) | r) >>> 0 : ((r << 24) | (g << 16) | (b << 8) | 0xff) >>> 0;
}

/** Whether this device is little-endian. */
const LITTLE = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** @param {string} text hex @returns {[number, number, number]} */
export function parse(text) {
  let digits = text.trim().replace("#", "");
  if (digits.length === 3) digits = [...digits].map((d) => d + d).join("");
  const n = Number.parseInt(digits.slice(0, 6), 16);
  return Number.isNaN(n) ? [128, 128, 128] : [n >> 16, (n >> 8) & 255, n & 255];
}

/** @param {number[]} rgb */
export function hex(rgb) {
  return `#${rgb.map((v) => Math.round(v).toString(16).padStart(2, "0")).join("")}`;
}

/** @param {number[]} rgb */
export function luminance(rgb) {
  const [r, g, b] = rgb.map((v) => {
    const c = v / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
