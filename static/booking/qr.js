/**
 * QR codes as SVG, which is sharp at any size, on screens and on paper.
 */

/** The quiet zone around the code that the standard requires, in modules. */
const QUIET = 4;
const load = () => import("/static/vendor/qr.js");

/** Load the encoder in advance, for pages that may be offline when the ticket arrives. */
export async function prepareQr() {
  await load().catch(() => null);
}

/**
 * @param {string} text
 * @param {string} label for screen readers
 * @returns {Promise<SVGSVGElement | null>} null if it can't be drawn
 */
export async function qrCode(text, label) {
  try {
    const { default: encode } = await load();
    return draw(encode(text, "raw", { ecc: "medium", border: QUIET }), label);
  } catch {
    return null;
  }
}

/** @param {boolean[][]} rows @param {string} label */
function draw(rows, label) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const side = rows.length;
  for (const [name, value] of [
    ["viewBox", `0 0 ${side} ${side}`],
    ["class", "qr"],
    ["role", "img"],
    ["aria-label", label],
    ["shape-rendering", "crispEdges"],
  ]) {
    svg.setAttribute(name, value);
  }
  const ground = document.createElementNS(space, "rect");
  ground.setAttribute("width", String(side));
  ground.setAttribute("height", String(side));
  ground.setAttribute("fill", "#fff");
  const dark = document.createElementNS(space, "path");
  // Always black on white, whatever the theme: scanners and printers need that.
  dark.setAttribute("d", rows.flatMap((row, y) => row.map((on, x) => (on ? `M${x} ${y}h1v1h-1z` : ""))).join(""));
  svg.append(ground, dark);
  return svg;
}
