/**
 * Links to tickets that were opened in this browser: their tokens, kept for as long as they open something.
 */
import { recallList, remember } from "../app/page.js";

const KEY = "tickingtickets.links";
const MAX_KEPT = 30;
const FRAGMENT = "#t=";

/** @returns {string[]} the tokens, the newest first */
export function linkTokens() {
  return recallList(KEY, (each) => typeof each === "string");
}

/** Keep the token in the address of the page, and remove it from there: others may see the address, or copy it. */
export function takeLink() {
  if (!location.hash.startsWith(FRAGMENT)) return false;
  const token = location.hash.slice(FRAGMENT.length);
  history.replaceState(null, "", location.pathname);
  const rest = linkTokens().filter((each) => each !== token);
  remember(KEY, JSON.stringify([token, ...rest].slice(0, MAX_KEPT)));
  return true;
}

/** @param {string} token */
export function dropLink(token) {
  remember(KEY, JSON.stringify(linkTokens().filter((each) => each !== token)));
}
