/**
 * Bundles the pages for delivery: `node scripts/bundle.mjs`, from the checkout.
 *
 * Each `static/*.html` becomes `static/built/<page>.html` with one style sheet and one module for each module script:
 * what it links to, in their order; what its module scripts share is a module of its own, preloaded. `<seat-map>` becomes a module of its own for other sites. Names contain a
 * hash of the content, so a browser keeps the files permanently; brotli and gzip are made here, once.
 * `static/built/manifest.json` lists the files, and a digest of the sources: a node whose sources differ from it serves
 * them unbundled (realtime/web/bundle.py).
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build, transformSync } from "esbuild";

const STATIC = resolve(dirname(fileURLToPath(import.meta.url)), "../static");
const BUILT = join(STATIC, "built");
const NEXT = join(STATIC, ".built");
const PACKAGES = resolve(STATIC, "../node_modules");
const EMBED = "seat-map/seat-map.js";
const SOCKET_IO = "vendor/socket.io.esm.min.js";
const STYLE = /[ \t]*<link rel="stylesheet" href="\/static\/([^"]+)" \/>\n/g;
const SCRIPT = /[ \t]*<script type="module"( async)? src="\/static\/([^"]+)"><\/script>\n/g;

/** Paths of the pages' addresses, `/static/...`, stand for files. */
const addresses = {
  name: "addresses",
  setup: ({ onResolve }) => onResolve({ filter: /^\/static\// }, ({ path }) => ({ path: join(STATIC, path.slice(8)) })),
};

const TARGET = ["chrome111", "firefox114", "safari16.4"];

/** Minifies the style sheet of `<seat-map>`, which is a text in a module. */
const styles = {
  name: "styles",
  setup: ({ onLoad }) =>
    onLoad({ filter: /seat-map\/styles\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8").replace(/`\n:host[^`]+`/, (css) =>
        JSON.stringify(
          transformSync(css.slice(1, -1), { loader: "css", minify: true, target: TARGET, charset: "utf8" }).code,
        ),
      ),
    })),
};

/**
 * Takes Socket.IO from the modules of its package: what is not used is left out, and private names are shortened. Pages
 * that are not bundled load the same version as one file, `SOCKET_IO`.
 */
const socketIO = {
  name: "socket.io",
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /\/socket\.io\.esm\.min\.js$/ }, () => ({
      path: join(PACKAGES, "socket.io-client/build/esm/index.js"),
    }));
    onLoad({ filter: /\/socket\.io-client\/build\/esm\/index\.js$/ }, ({ path }) => ({
      // With the licence, which only the one file has: its first comment.
      contents: `${readFileSync(join(STATIC, SOCKET_IO), "utf8").split("*/")[0]}*/\n${readFileSync(path, "utf8")}`,
    }));
    // A name in a table of transports; the map asks for the others.
    onLoad({ filter: /\/engine\.io-client\/build\/esm\/transports\/webtransport\.js$/ }, () => ({
      contents: "export class WT {}",
    }));
  },
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
  // The first is a key of Socket.IO's packets; it writes the next two in quotes, too; tests of the pages call the others.
  reserveProps: /^_(placeholder|destroy|reconnecting|lost|message)$/,
  metafile: true,
  minify: true,
  outdir: NEXT,
  plugins: [socketIO, addresses, styles],
  // Absolute, because the module of `<seat-map>` has another address too.
  publicPath: "/static/built/",
  sourcemap: true,
  // Parts that a module loads on demand become files of their own.
  splitting: true,
  target: TARGET,
  assetNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  entryNames: "[name]-[hash]",
};

/** Files that the bundles were made of, as paths below `static/`. @type {Set<string>} */
const sources = new Set();

/** Modules that are not of this project, as paths from `static/`. */
const IS_OTHERS = /^(vendor|\.\.\/node_modules)\//;

/** Modules of phrases or icons by name. */
const TABLES = /\/(i18n\/[a-z]{2}|app\/icons)\.js$/;

/**
 * Leaves out the phrases and icons that no module of a bundle can ask for. One is kept if its name stands in quotes in the
 * modules or in the page (`data-t`), or begins or ends like a name that they put together (`err_${code}`).
 * @param {string[]} inputs paths of the bundle's modules below `static/`
 * @param {string} html of the page
 */
function phrases(inputs, html) {
  const text = inputs
    .filter((path) => path.endsWith(".js") && !TABLES.test(`/${path}`) && !IS_OTHERS.test(path))
    .map((path) => readFileSync(join(STATIC, path), "utf8"))
    .concat(html)
    .join("\n");
  const words = new Set(text.match(/(?<=["'])\w+(?=["'])/g));
  const starts = [...text.matchAll(/[`"](\w+)(?:\$\{|" \+)/g)].map(([, start]) => start);
  const ends = [...text.matchAll(/\}(\w+)`/g)].map(([, end]) => end);
  const used = (/** @type {string} */ name) =>
    words.has(name) || starts.some((start) => name.startsWith(start)) || ends.some((end) => name.endsWith(end));
  return {
    name: "phrases",
    setup: ({ onLoad }) =>
      onLoad({ filter: TABLES }, async ({ path }) => {
        const all = Object.entries((await import(path)).default);
        const kept = Object.fromEntries(all.filter(([name]) => used(name)));
        return { contents: `export default ${JSON.stringify(kept)}`, loader: "js" };
      }),
  };
}

/**
 * Bundle entry points; return the names of their files, in order, and of the modules that these need at once.
 * @param {import("esbuild").BuildOptions} entry
 * @param {string} [html] of their page
 * @returns {Promise<{files: string[], shared: Set<string>}>}
 */
async function bundle(entry, html = "") {
  const { metafile: whole } = await build({ ...OPTIONS, ...entry, write: false });
  const plugins = [...OPTIONS.plugins, phrases(Object.keys(whole.inputs), html)];
  const { metafile } = await build({ ...OPTIONS, ...entry, plugins });
  for (const input of Object.keys(metafile.inputs)) {
    if (input.startsWith("..")) sources.add(SOCKET_IO);
    else if (input !== entry.stdin?.sourcefile) sources.add(input);
  }
  const name = (/** @type {string} */ path) => relative(NEXT, resolve(STATIC, path));
  const wanted = Object.values(entry.entryPoints ?? {});
  // What is imported on demand is an entry point, too.
  const outputs = Object.entries(metafile.outputs).filter(
    ([, { entryPoint }]) => entryPoint && (entry.stdin || wanted.includes(entryPoint)),
  );
  outputs.sort(([, a], [, b]) => wanted.indexOf(a.entryPoint ?? "") - wanted.indexOf(b.entryPoint ?? ""));
  const imports = outputs.flatMap(([, { imports }]) => imports.filter(({ kind }) => kind === "import-statement"));
  return { files: outputs.map(([path]) => name(path)), shared: new Set(imports.map(({ path }) => name(path))) };
}

/** @param {string} page name of the HTML file without its ending */
async function bundlePage(page) {
  const html = readFileSync(join(STATIC, `${page}.html`), "utf8");
  sources.add(`${page}.html`);
  const styles = [...html.matchAll(STYLE)].map(([, path]) => `@import "./${path}";`);
  const scripts = [...html.matchAll(SCRIPT)];
  const modules = scripts.map(([, , path]) => path);
  if (!modules.length || !styles.length)
    throw new Error(`${page}.html needs a module script and a style sheet of /static/`);
  // The last one is the page's own.
  const names = modules.map((path, n) => (n === modules.length - 1 ? page : `${page}-${basename(path, ".js")}`));
  const entryPoints = Object.fromEntries(modules.map((path, n) => [names[n], path]));
  const { files, shared } = await bundle({ entryPoints }, html);
  const {
    files: [style],
  } = await bundle({
    stdin: { contents: styles.join("\n"), loader: "css", resolveDir: STATIC, sourcefile: `${page}.css` },
    entryNames: `${page}-[hash]`,
    splitting: false,
  });
  const head = [
    `<link rel="stylesheet" href="/static/built/${style}" />`,
    // All of them, because the page's data stands before the scripts.
    ...[...new Set([...shared, ...files])].map((file) => `<link rel="modulepreload" href="/static/built/${file}" />`),
    ...files.map((file, n) => `<script type="module"${scripts[n][1] ?? ""} src="/static/built/${file}"></script>`),
  ];
  const bare = html
    .replaceAll(STYLE, "")
    .replaceAll(SCRIPT, "")
    .replace(/[ \t]*<link rel="modulepreload"[^>]*>\n/g, "");
  const lines = head.map((line) => `    ${line}\n`).join("");
  writeFileSync(join(NEXT, `${page}.html`), bare.replace("  </head>", `${lines}  </head>`));
}

/** The smallest of what brotli makes with different distance codes; they differ by up to 0.3 %. @param {Buffer} body */
function brotli(body) {
  const made = [0, 1, 3].map((postfix) =>
    brotliCompressSync(body, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: 11,
        [constants.BROTLI_PARAM_SIZE_HINT]: body.length,
        [constants.BROTLI_PARAM_NPOSTFIX]: postfix,
      },
    }),
  );
  return made.reduce((least, other) => (other.length < least.length ? other : least));
}

function compressAll() {
  for (const name of readdirSync(NEXT)) {
    if (!/\.(js|css)$/.test(name)) continue;
    const body = readFileSync(join(NEXT, name));
    writeFileSync(join(NEXT, `${name}.br`), brotli(body));
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
const {
  files: [embed],
} = await bundle({ entryPoints: { "seat-map": EMBED } });
compressAll();
writeFileSync(
  join(NEXT, "manifest.json"),
  `${JSON.stringify({ embed, sources: [...sources].sort(), digest: digest() }, null, 1)}\n`,
);
rmSync(BUILT, { recursive: true, force: true });
renameSync(NEXT, BUILT);
