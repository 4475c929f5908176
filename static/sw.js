/**
 * Serves a page, /tickets or /gate, without a network. Its scope is that page: no other page goes through here.
 *
 * It keeps the page together with every file that it refers to. The network comes first, so that the page is not older
 * than the server. Where the network does not bring the page with all its files soon, the kept page is served with the
 * kept files: never a page of one release with files of another.
 */
/** How long the network is waited for where there is a kept copy. */
const TIMEOUT_MS = 4000;
/** How long one file that is to be kept may take. */
const FILE_TIMEOUT_MS = 60000;
/** Files that the page loads, at most; what the page refers to is a few dozen. */
const MOST_FILES = 200;
const IN_PAGE = /(?:src|href)="(\/[^"]+)"/g;
const IN_MODULE = /(?:from|import)\s*\(?\s*["']((?:\.|\/)[^"']+)["']/g;
/** Left out of a module before it is searched: comments import types, not files. */
const JSDOC = /\/\*\*[\s\S]*?\*\//g;
const IN_STYLE = /url\(\s*["']?([^"')]+)["']?\s*\)/g;

const worker = /** @type {any} */ (self);
const PAGE = new URL(worker.registration.scope).pathname;
const KEPT = `${PAGE.slice(1)}-1`;

worker.addEventListener("install", (/** @type {any} */ event) => {
  event.waitUntil(install());
});
worker.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(worker.clients.claim()));
worker.addEventListener("fetch", (/** @type {any} */ event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  const isPage = request.mode === "navigate" && pathname === PAGE;
  if (request.method !== "GET" || origin !== location.origin || !(isPage || isFile(pathname))) return;
  event.respondWith(serve(event, pathname));
});

/** Whether it is a file of the page, or the names of cities, titles and sections in a language. @param {string} path */
function isFile(path) {
  return /^\/(static|api\/v1\/names)\//.test(path) || path === "/manifest.webmanifest";
}

/** Whether the name of a file has a hash of its content: what is kept of it is never old. @param {string} path */
function isHashed(path) {
  return path.startsWith("/static/built/");
}

// The page itself was loaded before there was a service worker.
async function install() {
  await keepPage(await load(PAGE));
  await worker.skipWaiting();
}

/** @param {any} event @param {string} path @returns {Promise<Response>} */
async function serve(event, path) {
  const kept = await (await caches.open(KEPT)).match(path);
  if (kept && isHashed(path)) return kept;
  const asked = fetch(event.request);
  const whole = path === PAGE ? asked.then((page) => keepPage(page.clone()).then(() => page)) : asked;
  // A page that comes too late now is kept for the next time.
  event.waitUntil(whole.catch(() => null));
  if (!kept) return asked;
  const late = new Promise((_, reject) => setTimeout(reject, TIMEOUT_MS));
  const answer = await Promise.race([whole, late]).catch(() => null);
  return answer?.ok ? answer : kept;
}

/**
 * Keep a page with all its files, in the place of the one before. That one stays if a file can't be had.
 * @param {Response} page
 */
async function keepPage(page) {
  // Pages that are kept at the same time would delete the files of each other.
  await worker.navigator.locks.request(KEPT, async () => {
    const kept = await caches.open(KEPT);
    const known = (/** @type {string} */ path) => kept.match(path);
    const files = await filesOf(page, async (path) => (isHashed(path) && (await known(path))) || load(path));
    // The page before may be open, and load some of its files later.
    const before = await filesOf(await known(PAGE), known).catch(() => files);
    // The page last: it is never there without its files.
    for (const [path, answer] of [...files].reverse()) await kept.put(path, answer);
    for (const { url } of await kept.keys()) {
      const { pathname } = new URL(url);
      if (pathname.startsWith("/static/") && !files.has(pathname) && !before.has(pathname)) await kept.delete(url);
    }
  });
}

/** @param {string} path */
async function load(path) {
  return fetch(path, { signal: AbortSignal.timeout(FILE_TIMEOUT_MS) });
}

/**
 * A page with all its files: those that it refers to, those that these refer to, and so on. The page comes first.
 * @param {Response | undefined} page
 * @param {(path: string) => Promise<Response | undefined>} get
 * @returns {Promise<Map<string, Response>>} by path
 * @throws {Error} if one of them can't be had
 */
async function filesOf(page, get) {
  const files = new Map();
  const wanted = [PAGE, "/manifest.webmanifest"];
  for (let n = 0; n < wanted.length; n++) {
    const path = wanted[n];
    const answer = n === 0 ? page : await get(path);
    if (!answer?.ok || n === MOST_FILES) throw new Error(`${path}: HTTP ${answer?.status}, file ${n}`);
    files.set(path, answer.clone());
    wanted.push(...(await references(path, answer)).filter((other) => !wanted.includes(other)));
  }
  return files;
}

/** What a file refers to, each file once. @param {string} path @param {Response} answer is read @returns {Promise<string[]>} */
async function references(path, answer) {
  const type = answer.headers.get("Content-Type") ?? "";
  const pattern = type.includes("html") ? IN_PAGE : type.includes("javascript") ? IN_MODULE : IN_STYLE;
  const text = type.includes("image") ? "" : await answer.text();
  const found = [...text.replace(JSDOC, "").matchAll(pattern)]
    .map(([, reference]) => new URL(reference, new URL(path, location.origin)))
    .filter(({ origin, pathname }) => origin === location.origin && isFile(pathname));
  return [...new Set(found.map(({ pathname }) => pathname))];
}
