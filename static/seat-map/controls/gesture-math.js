/**
 * What a movement of pointers or of the wheel means for the map. Pure. Points are CSS pixels.
 */

/** @typedef {{x: number, y: number}} Point */
/** @typedef {{x: number, y: number, at: number}} Speed CSS pixels a ms, and when it was measured (ms) */

/** The share of the newest movement in a drag's speed; the rest smooths it. */
const NEWEST = 0.7;
/** How strongly a pixel of the wheel zooms; a trackpad's pinch comes as a wheel with ctrl, in small steps. */
const WHEEL = 0.0022;
const TRACKPAD = 0.012;
/** One turn of the wheel counts as this many pixels at most. */
const MOST_WHEEL = 160;
/** Pixels of a wheel that counts lines or pages (`deltaMode` 1 and 2). */
const LINE = 16;
const PAGE = 400;

/** The speed of a drag after its next movement. @param {Speed} speed @param {Point} before @param {Point} now @param {number} at ms @returns {Speed} */
export function nextSpeed(speed, before, now, at) {
  const ms = Math.max(1, at - speed.at);
  return {
    x: speed.x * (1 - NEWEST) + ((now.x - before.x) / ms) * NEWEST,
    y: speed.y * (1 - NEWEST) + ((now.y - before.y) / ms) * NEWEST,
    at,
  };
}

/**
 * One of two fingers moves: the map follows the middle between them and grows with their distance.
 * @param {Point} before of the finger that moves
 * @param {Point} now
 * @param {Point} other the finger that rests
 */
export function pinch(before, now, other) {
  const was = Math.hypot(before.x - other.x, before.y - other.y) || 1;
  const is = Math.hypot(now.x - other.x, now.y - other.y) || 1;
  return {
    pan: { x: (now.x - before.x) / 2, y: (now.y - before.y) / 2 },
    middle: { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 },
    factor: is / was,
  };
}

/** The factor that a turn of the wheel zooms by. @param {{deltaY: number, deltaMode: number, ctrlKey: boolean}} wheel */
export function wheelFactor({ deltaY, deltaMode, ctrlKey }) {
  const pixels = deltaY * (deltaMode === 1 ? LINE : deltaMode === 2 ? PAGE : 1);
  return Math.exp(-Math.max(-MOST_WHEEL, Math.min(MOST_WHEEL, pixels)) * (ctrlKey ? TRACKPAD : WHEEL));
}
