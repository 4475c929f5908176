/**
 * The banner of installations in which no real money moves. It stands above everything else on each page, in the flow,
 * so that it covers nothing.
 *
 * @import { Translator } from "../i18n/i18n.js"
 */
import { h, icon } from "./dom.js";
import { given } from "./given.js";

const AGAIN_MS = 5000;
const TIMEOUT_MS = 8000;

/** Whether no real money moves; asks until there is an answer. @returns {Promise<boolean>} */
async function isDemo() {
  if (given.config) return given.config.demo_payments;
  for (;;) {
    try {
      const answer = await fetch("/api/v1/config", { signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (answer.ok) return Boolean((await answer.json()).demo_payments);
    } catch {
      // Not reachable now: asked again below.
    }
    await new Promise((next) => setTimeout(next, AGAIN_MS));
  }
}

/** @type {Promise<boolean> | null} */
let asked = null;
/** @type {HTMLElement | null} */
let banner = null;

/** Show the banner in this language, if the installation is a demo. @param {Translator} i18n */
export async function showDemoBanner(i18n) {
  asked ??= isDemo();
  const text = h("strong", {}, i18n.t("demo"));
  const label = i18n.t("demoLabel");
  banner?.replaceChildren(icon("alert"), text);
  banner?.setAttribute("aria-label", label);
  if (!(await asked) || banner) return;
  banner = h("aside", { class: "demo", "aria-label": label }, icon("alert"), text);
  const skip = document.querySelector(".skip");
  if (skip) skip.after(banner);
  else document.body.prepend(banner);
}
