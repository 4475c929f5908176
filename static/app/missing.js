/** The page for an address that does not exist. */
import { setUpPage } from "./page.js";

const switches = /** @type {HTMLElement} */ (document.querySelector("#switches"));
setUpPage(switches, (i18n) => {
  document.title = `${i18n.t("pageMissing")} · ${i18n.t("brand")}`;
});
