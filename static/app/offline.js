/**
 * Makes a page open without a network. Only on secure origins and where service workers exist.
 */

/** @type {Set<string>} */
const asked = new Set();

/** Never fails: without it, the page needs a network. @param {"/tickets" | "/gate"} page */
export async function keepOffline(page) {
  if (asked.has(page)) return;
  asked.add(page);
  try {
    await navigator.serviceWorker?.register("/sw.js", { scope: page });
  } catch {
    // A private window, or storage that is full or forbidden.
  }
}
