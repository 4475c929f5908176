/**
 * The pages of operators: sign-in, then the overview of the installation or one show.
 *
 * @import { Translator } from "../i18n/i18n.js"
 */
import { errorLine, h, icon } from "../app/dom.js";
import { addressPart, setUpPage } from "../app/page.js";
import { ask, isKeyRefused, key } from "./api.js";
import { Overview } from "./overview.js";
import { ShowPage } from "./show.js";

const screen = /** @type {HTMLElement} */ (document.querySelector("#screen"));
const show = addressPart(2);
/** @type {Overview | ShowPage | null} */
let page = null;
/** @type {Translator} */
let i18n;
let problem = "";
let checking = false;

/** @param {SubmitEvent} event */
async function enter(event) {
  event.preventDefault();
  const typed = new FormData(/** @type {HTMLFormElement} */ (event.target)).get("key");
  key.set(String(typed).trim());
  checking = true;
  draw();
  try {
    await ask("/ops");
    problem = "";
  } catch (error) {
    key.forget();
    problem = isKeyRefused(error) ? "opsWrongKey" : "err_offline";
  }
  checking = false;
  draw();
}

/** Sign out, and say why. @param {string} [why] */
function leave(why = "") {
  key.forget();
  page?.stop();
  page = null;
  problem = why;
  draw();
}

function draw() {
  document.title = `${i18n.t("opsTitle")} · ${i18n.t("brand")}`;
  if (!key.get() || checking) {
    drawSignIn();
    return;
  }
  if (!page) {
    page = show ? new ShowPage(screen, show, leave) : new Overview(screen, leave);
    page.start(i18n);
  } else page.localize(i18n);
}

function drawSignIn() {
  const wrong = problem && errorLine(i18n.t(problem), { role: "alert", id: "problem" });
  const input = h("input", {
    name: "key",
    id: "key",
    type: "password",
    required: true,
    autocomplete: "current-password",
    "aria-describedby": problem && "problem",
    disabled: checking,
  });
  screen.replaceChildren(
    h(
      "form",
      { class: "sign-in", onsubmit: enter },
      icon("lock"),
      h("h1", {}, i18n.t("opsSignIn")),
      h("p", {}, i18n.t("opsSignInHint")),
      h("label", { for: "key" }, i18n.t("opsKey")),
      input,
      wrong,
      h(
        "button",
        { class: "button primary", type: "submit", disabled: checking },
        i18n.t(checking ? "loading" : "opsEnter"),
      ),
    ),
  );
  if (problem) input.focus();
}

setUpPage(/** @type {HTMLElement} */ (document.querySelector("#switches")), (words) => {
  i18n = words;
  draw();
});
