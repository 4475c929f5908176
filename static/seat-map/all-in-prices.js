/**
 * What buyers see as the price of a seat: all that it costs, with fee and taxes. Pure.
 *
 * @import { Show } from "./types.js"
 */

/** @param {Show | null} show @returns {Record<string, number>} rupees by category name */
export function allInPrices(show) {
  // A node of an older release sends the prices before tax only.
  if (!show?.all_in_prices) return show?.prices ?? {};
  return Object.fromEntries(Object.entries(show.all_in_prices).map(([name, paise]) => [name, paise / 100]));
}
