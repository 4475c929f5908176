/**
 * Serves a page, /tickets or /gate, without a network. Its scope is that page: no other page goes through here.
 *
 * The network comes first, so that the page is never older than the server; what it sends is kept for the time without
 * one. When it is installed, it loads the page with everything that the page refers to, because the page itself was
 * loaded before there was a service worker.
 */
const TIMEOUT_MS = 4000;
/** Files that the page loads, at most; what the page refers to is a few dozen. */
const MOST_FILES = 200;
const IN_PAGE = /(?:src|href)="(\/[^"]+)"/g;
const IN_MODULE = /(?:from|import)\s*\(?\s*["']((?:\.|\/)[^"']+)["']/g;
/** Names types, which are no files. */
const JSDOC = /\/\*\*[\s\S]*?\*\//g;
const IN_STYLE = /url\(\s*["']?([^"')]+)["']?\s*\)/g;

const worker = /** @type {any} */ (self);
const PAGE = new URL(worker.registration.scope).pathname;
const KEPT = `${PAGE.slice(1)}-1`;

worker.addEventListener("install", (/** @type {any} */ event) => {
  event.waitUntil(keepPage().then(() => worker.skipWaiting()));
});
worker.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(worker.clients.claim()));
worker.addEventListener("fetch", (/** @type {any} */ event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  const isPage = request.mode === "navigate" && pathname === PAGE;
  if (request.method !== "GET" || origin !== location.origin || !(isPage || isFile(pathname))) return;
  event.respondWith(networkFirst(request, isPage ? PAGE : pathname));
});

/** Whether it is a file of the page, or the names of cities, titles and sections in a language. @param {string} path */
function isFile(path) {
  return /^\/(static|api\/v1\/names)\//.test(path) || path === "/manifest.webmanifest";
}

/** @param {Request} request @param {string} key */
async function networkFirst(request, key) {
  const kept = await caches.open(KEPT);
  try {
    const answer = await fetch(request, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (answer.ok) await kept.put(key, answer.clone());
    return answer;
  } catch (error) {
    const found = await kept.match(key);
    if (found) return found;
    throw error;
  }
}

/** Load the page and, file by file, what each refers to. */
async function keepPage() {
  const kept = await caches.open(KEPT);
  const wanted = [PAGE, "/manifest.webmanifest"];
  for (let n = 0; n < wanted.length && n < MOST_FILES; n++) {
    const path = wanted[n];
    const answer = await fetch(path, { cache: "no-cache" });
    if (!answer.ok) throw new Error(`${path}: HTTP ${answer.status}`);
    const type = answer.headers.get("Content-Type") ?? "";
    const pattern = type.includes("html") ? IN_PAGE : type.includes("javascript") ? IN_MODULE : IN_STYLE;
    const text = type.includes("image") ? "" : await answer.clone().text();
    await kept.put(path, answer);
    for (const [, reference] of text.replace(JSDOC, "").matchAll(pattern)) {
      const { origin, pathname } = new URL(reference, new URL(path, location.origin));
      if (origin === location.origin && isFile(pathname) && !wanted.includes(pathname)) wanted.push(pathname);
    }
  }
}
