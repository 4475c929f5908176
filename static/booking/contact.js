/**
 * The field for the buyer's mail address, beside the button that pays. What is typed stays in the memory of this page until
 * it is sent with the order or the booking; the browser stores nothing.
 *
 * @import { Translator } from "../i18n/i18n.js"
 *
 * @typedef {{email: string, locale: string}} Contact
 */
import { h } from "../app/dom.js";

export class ContactField {
  constructor() {
    // One element for all drawings of the panel, so that nothing typed is lost.
    this._input = /** @type {HTMLInputElement} */ (
      h("input", {
        id: "contact-email",
        type: "email",
        autocomplete: "email",
        inputmode: "email",
        maxlength: 254,
        // What the server takes: one plain ASCII address.
        pattern: "[!-~]+@[!-~]+\\.[!-~]+",
        "data-key": "email",
        "aria-describedby": "contact-hint",
      })
    );
  }

  /** @param {Translator} i18n @param {boolean} disabled */
  element(i18n, disabled) {
    this._input.disabled = disabled;
    return h(
      "div",
      { class: "contact" },
      h("label", { for: "contact-email" }, i18n.t("contactEmail")),
      this._input,
      h("p", { class: "hint", id: "contact-hint" }, i18n.t("contactHint")),
    );
  }

  /** Whether the field is empty or has an address; otherwise it is said at the field. @param {Translator} i18n */
  checkAddress(i18n) {
    const input = this._input;
    input.value = input.value.trim();
    input.setCustomValidity("");
    // The browser's own words would be in its language, and don't say what is missing.
    if (!input.validity.valid) input.setCustomValidity(i18n.t("contactWrong"));
    return input.reportValidity();
  }

  /** @param {Translator} i18n @returns {Contact | null} null if nothing was given */
  contact(i18n) {
    const email = this._input.value.trim();
    return email ? { email, locale: i18n.code } : null;
  }
}
