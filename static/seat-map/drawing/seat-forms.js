/**
 * The form of one seat for each of its states. A state shows in the form, not in the colour alone: free is a full seat
 * with its number, held by somebody else is an outline with hatching, sold is small and crossed, blocked is a dash, the
 * viewer's own is ringed and ticked.
 *
 * @import { Palette } from "./palette.js"
 */
import { BLOCKED, FREE, HELD, MINE, SELECTED, SOLD, UNKNOWN } from "../seat-states.js";

/**
 * Draw one seat in a square of `size` device pixels.
 * @param {CanvasRenderingContext2D} c
 * @param {number} size
 * @param {number} dpr device pixels per CSS pixel
 * @param {number} kind a status, SELECTED or MINE
 * @param {Palette} palette
 * @param {number} category
 * @param {boolean} dim
 * @param {boolean} access
 */
export function drawSeat(c, size, dpr, kind, palette, category, dim, access) {
  const color = palette.categories[category] ?? { fill: palette.ink, ink: palette.bg };
  const line = Math.max(1, Math.min(2 * dpr, size * 0.08));
  /** @param {number} by */
  const seat = (by) => {
    const s = size - 2 * by;
    c.beginPath();
    c.roundRect(by, by, s, s, [s * 0.34, s * 0.34, s * 0.16, s * 0.16]);
  };
  if (dim && kind < SELECTED) c.globalAlpha = 0.22;
  if (kind === FREE) {
    seat(0);
    c.fillStyle = color.fill;
    c.fill();
    if (access && size >= 9 * dpr) wheelchair(c, size, color.ink);
  } else if (kind === HELD) {
    drawHeld(c, size, palette, line, seat);
  } else if (kind === SOLD) {
    seat(size * 0.12);
    c.fillStyle = palette.taken;
    c.fill();
    if (size >= 10 * dpr) cross(c, size, palette.muted, line);
  } else if (kind === BLOCKED) {
    c.fillStyle = palette.taken;
    c.fillRect(size * 0.25, size * 0.45, size * 0.5, Math.max(1, size * 0.1));
  } else if (kind === UNKNOWN) {
    seat(line / 2);
    c.strokeStyle = palette.taken;
    c.lineWidth = line;
    c.stroke();
  } else {
    const mine = kind === MINE;
    seat(0);
    c.fillStyle = mine ? palette.ownInk : palette.own;
    c.fill();
    seat(line * 0.75);
    // The ring stands out from the background, whatever the colour of the seats around it.
    c.strokeStyle = mine ? palette.own : palette.ink;
    c.lineWidth = line * 1.5;
    c.stroke();
    tick(c, size, mine ? palette.own : palette.ownInk, line * 1.8);
  }
}

/** @param {CanvasRenderingContext2D} c @param {number} size @param {Palette} palette @param {number} line @param {(by: number) => void} seat */
function drawHeld(c, size, palette, line, seat) {
  seat(line / 2);
  c.save();
  c.clip();
  c.strokeStyle = palette.muted;
  c.globalAlpha *= 0.5;
  c.lineWidth = line;
  c.beginPath();
  for (let n = -size; n < size; n += Math.max(3, size / 4)) {
    c.moveTo(n, size);
    c.lineTo(n + size, 0);
  }
  c.stroke();
  c.restore();
  seat(line / 2);
  c.strokeStyle = palette.muted;
  c.lineWidth = line;
  c.stroke();
}

/** @param {CanvasRenderingContext2D} c @param {number} size @param {string} color @param {number} line */
function tick(c, size, color, line) {
  c.beginPath();
  c.moveTo(size * 0.28, size * 0.53);
  c.lineTo(size * 0.44, size * 0.69);
  c.lineTo(size * 0.74, size * 0.34);
  c.strokeStyle = color;
  c.lineWidth = line;
  c.lineCap = c.lineJoin = "round";
  c.stroke();
}

/** @param {CanvasRenderingContext2D} c @param {number} size @param {string} color @param {number} line */
function cross(c, size, color, line) {
  c.beginPath();
  c.moveTo(size * 0.37, size * 0.38);
  c.lineTo(size * 0.63, size * 0.64);
  c.moveTo(size * 0.63, size * 0.38);
  c.lineTo(size * 0.37, size * 0.64);
  c.strokeStyle = color;
  c.globalAlpha *= 0.7;
  c.lineWidth = line;
  c.stroke();
}

/** @param {CanvasRenderingContext2D} c @param {number} size @param {string} color */
function wheelchair(c, size, color) {
  c.strokeStyle = c.fillStyle = color;
  c.lineWidth = size * 0.085;
  c.lineCap = c.lineJoin = "round";
  c.beginPath();
  c.arc(size * 0.45, size * 0.22, size * 0.075, 0, Math.PI * 2);
  c.fill();
  c.beginPath();
  c.moveTo(size * 0.45, size * 0.34);
  c.lineTo(size * 0.47, size * 0.54);
  c.lineTo(size * 0.64, size * 0.54);
  c.lineTo(size * 0.72, size * 0.74);
  c.stroke();
  c.beginPath();
  c.arc(size * 0.46, size * 0.63, size * 0.19, Math.PI * 1.15, Math.PI * 0.25, true);
  c.stroke();
}
