/**
 * Bundles the pages for delivery: `node scripts/bundle.mjs`, from the checkout.
 *
 * Each `static/*.html` becomes `static/built/<page>.html` with one module and one style sheet: the modules and style
 * sheets that it links to, in their order. `<seat-map>` becomes a module of its own for other sites. Names contain a
 * hash of the content, so a browser keeps the files for good; brotli and gzip are made here, once.
 * `static/built/manifest.json` lists the files, and a digest of the sources: a node whose sources differ from it serves
 * them unbundled (realtime/web/bundle.py).
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";

const STATIC = resolve(dirname(fileURLToPath(import.meta.url)), "../static");
const BUILT = join(STATIC, "built");
const NEXT = join(STATIC, ".built");
const EMBED = "seat-map/seat-map.js";
const STYLE = /[ \t]*<link rel="stylesheet" href="\/static\/([^"]+)" \/>\n/g;
const SCRIPT = /<script type="module" src="\/static\/([^"]+)"><\/script>/;

/** Paths of the pages' addresses, `/static/...`, stand for files. */
const addresses = {
  name: "addresses",
  setup: ({ onResolve }) => onResolve({ filter: /^\/static\// }, ({ path }) => ({ path: join(STATIC, path.slice(8)) })),
};

const OPTIONS = {
  absWorkingDir: STATIC,
  bundle: true,
  charset: "utf8",
  format: "esm",
  legalComments: "linked",
  loader: { ".svg": "dataurl", ".woff2": "file" },
  logLevel: "warning",
  // Names that begin with an underscore are private to a class.
  mangleProps: /^_[a-z]/,
  // The first is a key of Socket.IO's packets; tests of the pages call the others.
  reserveProps: /^_(placeholder|lost|message)$/,
  metafile: true,
  minify: true,
  outdir: NEXT,
  plugins: [addresses],
  // Absolute, because the module of `<seat-map>` has another address too.
  publicPath: "/static/built/",
  sourcemap: true,
  // Parts that a module loads on demand become files of their own.
  splitting: true,
  target: ["chrome111", "firefox114", "safari16.4"],
  assetNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  entryNames: "[name]-[hash]",
};

/** Files that the bundles were made of, as paths below `static/`. @type {Set<string>} */
const sources = new Set();

const TEXTS = /\/i18n\/[a-z]{2}\.js$/;

/**
 * Leaves out the phrases that no module of a bundle can ask for. A phrase is kept if its name stands anywhere in the
 * modules or in the page (`data-t`), or begins or ends like a name that they put together (`err_${code}`).
 * @param {string[]} inputs paths of the bundle's modules below `static/`
 * @param {string} html of the page
 */
function phrases(inputs, html) {
  const text = inputs
    .filter((path) => path.endsWith(".js") && !TEXTS.test(`/${path}`) && !path.startsWith("vendor/"))
    .map((path) => readFileSync(join(STATIC, path), "utf8"))
    .concat(html)
    .join("\n");
  const words = new Set(text.match(/\w+/g));
  const starts = [...text.matchAll(/[`"](\w+)(?:\$\{|" \+)/g)].map(([, start]) => start);
  const ends = [...text.matchAll(/\}(\w+)`/g)].map(([, end]) => end);
  const used = (/** @type {string} */ name) =>
    words.has(name) || starts.some((start) => name.startsWith(start)) || ends.some((end) => name.endsWith(end));
  return {
    name: "phrases",
    setup: ({ onLoad }) =>
      onLoad({ filter: TEXTS }, async ({ path }) => {
        const all = Object.entries((await import(path)).default);
        const kept = Object.fromEntries(all.filter(([name]) => used(name)));
        return { contents: `export default ${JSON.stringify(kept)}`, loader: "js" };
      }),
  };
}

/** Bundle one entry point; return the name of its file. @param {import("esbuild").BuildOptions} entry @param {string} [html] of its page */
async function bundle(entry, html = "") {
  const { metafile: whole } = await build({ ...OPTIONS, ...entry, write: false });
  const plugins = [addresses, phrases(Object.keys(whole.inputs), html)];
  const { metafile } = await build({ ...OPTIONS, ...entry, plugins });
  for (const input of Object.keys(metafile.inputs)) if (input !== entry.stdin?.sourcefile) sources.add(input);
  const [[output]] = Object.entries(metafile.outputs).filter(([, { entryPoint }]) => entryPoint);
  return relative(NEXT, resolve(STATIC, output));
}

/** @param {string} page name of the HTML file without its ending */
async function bundlePage(page) {
  const html = readFileSync(join(STATIC, `${page}.html`), "utf8");
  sources.add(`${page}.html`);
  const styles = [...html.matchAll(STYLE)].map(([, path]) => `@import "./${path}";`);
  const [, module] = html.match(SCRIPT) ?? [];
  if (!module || !styles.length) throw new Error(`${page}.html needs a module script and a style sheet of /static/`);
  const script = await bundle({ entryPoints: { [page]: module } }, html);
  const style = await bundle({
    stdin: { contents: styles.join("\n"), loader: "css", resolveDir: STATIC, sourcefile: `${page}.css` },
    entryNames: `${page}-[hash]`,
    splitting: false,
  });
  const head = `    <link rel="stylesheet" href="/static/built/${style}" />
    <script type="module" src="/static/built/${script}"></script>\n`;
  const bare = html.replaceAll(STYLE, "").replace(/[ \t]*<link rel="modulepreload"[^>]*>\n/g, "");
  writeFileSync(join(NEXT, `${page}.html`), bare.replace(new RegExp(`[ \\t]*${SCRIPT.source}\\n`), head));
}

function compressAll() {
  for (const name of readdirSync(NEXT)) {
    if (!/\.(js|css)$/.test(name)) continue;
    const body = readFileSync(join(NEXT, name));
    const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: body.length };
    writeFileSync(join(NEXT, `${name}.br`), brotliCompressSync(body, { params }));
    writeFileSync(join(NEXT, `${name}.gz`), gzipSync(body, { level: 9 }));
  }
}

/** As `realtime/web/bundle.py` computes it. */
function digest() {
  const hash = createHash("sha256");
  for (const path of [...sources].sort()) {
    hash.update(`${path}\0`).update(
      createHash("sha256")
        .update(readFileSync(join(STATIC, path)))
        .digest(),
    );
  }
  return hash.digest("hex");
}

rmSync(NEXT, { recursive: true, force: true });
mkdirSync(NEXT, { recursive: true });
const pages = readdirSync(STATIC).filter((name) => name.endsWith(".html"));
for (const page of pages) await bundlePage(page.replace(/\.html$/, ""));
const embed = await bundle({ entryPoints: { "seat-map": EMBED } });
compressAll();
writeFileSync(
  join(NEXT, "manifest.json"),
  `${JSON.stringify({ embed, sources: [...sources].sort(), digest: digest() }, null, 1)}\n`,
);
rmSync(BUILT, { recursive: true, force: true });
renameSync(NEXT, BUILT);
