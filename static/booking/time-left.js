/**
 * How the time that is left of a hold is shown and announced. Pure.
 */

/** Screen readers hear the time when so many seconds are left, not every second. */
const MARKS_S = [300, 120, 60, 30, 10];
/** A mark that was missed by more than this is not announced any more. */
const LATE_S = 5;

/** @param {number} seconds whole @returns {string} such as 7:05 */
export function clockText(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** @param {number} leftMs @param {number} wholeMs @returns {number} 0 to 1 */
export function shareLeft(leftMs, wholeMs) {
  return Math.max(0, Math.min(1, leftMs / wholeMs));
}

/**
 * The mark that is due to be announced.
 * @param {number} seconds left
 * @param {number} announced the mark that was announced last, Infinity for none
 * @returns {number | undefined}
 */
export function spokenMark(seconds, announced) {
  return MARKS_S.find((mark) => seconds <= mark && announced > mark && seconds > mark - LATE_S);
}
