/**
 * Saves a file that was requested with a key: a plain link could not send the key.
 */
import { h } from "./dom.js";

const KEPT_MS = 60000;

/** @param {Blob} content @param {string} name */
export function saveFile(content, name) {
  const url = URL.createObjectURL(content);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}
