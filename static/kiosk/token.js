/**
 * The staff token of a kiosk: typed where its theatre is chosen, kept on the device, sent with each connection of the
 * map (../seat-map/connection.js). With it the limits of the device's network address do not count.
 *
 * @import { Translator } from "../i18n/i18n.js"
 */
import { errorLine, h } from "../app/dom.js";
import { recall, remember } from "../app/page.js";
import { STAFF } from "../seat-map/connection.js";

const TIMEOUT_MS = 8000;

export class KioskToken {
  /** @param {(theatre: string) => void} open opens the kiosk of the token's theatre */
  constructor(open) {
    this._open = open;
    this._problem = "";
    /** @type {Translator | null} */
    this._i18n = null;
    this.element = h("section", { class: "kiosk-token" });
  }

  /** @param {Translator} i18n */
  draw(i18n) {
    this._i18n = i18n;
    this.element.replaceChildren(
      h("h2", {}, i18n.t("kioskToken")),
      h("p", { id: "token-hint" }, i18n.t(recall(STAFF) ? "kioskTokenKept" : "kioskTokenHint")),
      recall(STAFF)
        ? h("button", { class: "button", type: "button", onclick: () => this._keep(null) }, i18n.t("kioskTokenRemove"))
        : this._form(i18n),
    );
  }

  /** @param {Translator} i18n */
  _form(i18n) {
    const field = h("input", {
      id: "token",
      type: "password",
      required: true,
      autocomplete: "off",
      "aria-label": i18n.t("kioskToken"),
      "aria-describedby": "token-hint",
    });
    const submit = (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      this._use(field.value.trim());
    };
    return h(
      "form",
      { onsubmit: submit },
      field,
      h("button", { class: "button primary", type: "submit" }, i18n.t("kioskTokenUse")),
      this._problem ? errorLine(i18n.t(this._problem), { role: "alert" }) : null,
    );
  }

  /** @param {string} token */
  async _use(token) {
    try {
      const answer = await fetch("/api/v1/ops/me", {
        headers: { Authorization: `Bearer ${token}` },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const { role, theatre } = await answer.json();
      if (answer.ok && role === "kiosk") {
        this._keep(token);
        return this._open(theatre);
      }
      this._problem = answer.ok ? "kioskTokenWrongRole" : "opsWrongKey";
    } catch {
      this._problem = "err_offline";
    }
    if (this._i18n) this.draw(this._i18n);
    this.element.querySelector("input")?.focus();
  }

  /** @param {string | null} token */
  _keep(token) {
    remember(STAFF, token);
    this._problem = "";
    if (this._i18n) this.draw(this._i18n);
  }
}
