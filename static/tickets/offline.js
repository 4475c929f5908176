/**
 * Makes the page of tickets open without a network. Only on secure origins and where service workers exist.
 */

let asked = false;

/** Never fails: without it, tickets need a network. */
export async function keepTicketsOffline() {
  if (asked) return;
  asked = true;
  try {
    await navigator.serviceWorker?.register("/sw.js", { scope: "/tickets" });
  } catch {
    // A private window, or storage that is full or forbidden.
  }
}
