/**
 * Makes a page open without a network. Only on secure origins and where service workers exist.
 */
import { languages } from "../i18n/i18n.js";

/** @type {Set<string>} */
const asked = new Set();

/** Never fails: without it, the page needs a network. @param {"/tickets" | "/gate"} page */
export async function keepOffline(page) {
  if (asked.has(page)) return;
  asked.add(page);
  try {
    await navigator.serviceWorker?.register("/sw.js", { scope: page });
    // The worker finds the files that the page refers to. No file refers to these. The name is that in sw.js.
    const kept = await caches.open(`${page.slice(1)}-1`);
    await kept.addAll(languages.map(({ code }) => `/api/v1/names/${code}`));
  } catch {
    // A private window, or storage that is full or forbidden.
  }
}
