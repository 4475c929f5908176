import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const STYLES = new URL("../../static/styles/", import.meta.url);
const sheets = readdirSync(STYLES).map((name) => readFileSync(new URL(name, STYLES), "utf8"));
const map = readFileSync(new URL("../../static/seat-map/styles.js", import.meta.url), "utf8");

/** The variables that style sheets use without a value in their place, and don't define. @param {string} css */
function undefinedIn(css) {
  const names = (/** @type {RegExp} */ pattern) => new Set(Array.from(css.matchAll(pattern), ([, name]) => name));
  return [...names(/var\((--[\w-]+)\)/g)].filter((name) => !names(/(--[\w-]+)["']?\s*:/g).has(name));
}

test("a variable that a style sheet uses is defined: without, a text can have the colour of its background", () => {
  assert.deepEqual(undefinedIn(sheets.join("\n")), []);
  // Scripts set the colours of a category.
  assert.deepEqual(undefinedIn(map), ["--fill", "--sign"]);
});
