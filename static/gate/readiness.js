/**
 * The part of a gate's page about working without a network: what this device has leased, and what it has to report.
 *
 * @import { Translator } from "../i18n/i18n.js"
 * @import { OfflineGate } from "./offline-gate.js"
 */
import { errorLine, h, icon } from "../app/dom.js";
import { ApiError, ask } from "../ops/api.js";

/** @typedef {{id: string, title: string, starts_at: string, sections: string[]}} Show */

export class Readiness {
  /**
   * @param {OfflineGate} offline
   * @param {() => {theatre: string, gate: string}} place where this gate is
   * @param {() => Promise<void>} sync reports, renews and returns what has to be
   */
  constructor(offline, place, sync) {
    this._offline = offline;
    this._place = place;
    this._sync = sync;
    /** The shows of today while one is chosen. @type {Show[] | null} */
    this._shows = null;
    this._chosen = "";
    this._problem = "";
    /** Whether what was admitted could not be reported for a reason other than the network, such as a full storage. */
    this.isTroubled = false;
    /** @type {Translator | null} */
    this._i18n = null;
    this._status = h("div", { class: "gate-network", role: "status" });
    this._controls = h("div", { class: "gate-lease" });
    /** What the controls were drawn for: they are not drawn anew while somebody uses them. */
    this._drawn = "";
    this.element = h("section", { class: "gate-offline" }, this._status, this._controls);
  }

  /** @param {Translator} i18n */
  draw(i18n) {
    this._i18n = i18n;
    const online = navigator.onLine;
    this.element.setAttribute("aria-label", i18n.t("gateNetwork"));
    this._status.setAttribute("data-online", String(online));
    this._status.replaceChildren(
      h("p", {}, icon(online ? "globe" : "alert"), h("strong", {}, i18n.t(online ? "gateOnline" : "gateOffline"))),
      ...this._state(i18n).map((line) => h("p", {}, line)),
    );
    const { lease, canLease } = this._offline;
    const form = this._shows && !lease;
    const drawn = [
      i18n.code,
      lease?.state,
      form || online,
      Boolean(form),
      this._chosen,
      this._problem,
      canLease,
    ].join();
    if (drawn === this._drawn) return;
    this._drawn = drawn;
    this._controls.replaceChildren(
      ...(this._problem ? [errorLine(i18n.t(this._problem), { role: "alert" })] : []),
      ...(form ? [this._form(i18n, this._shows ?? [])] : canLease && online ? this._buttons(i18n) : []),
    );
  }

  /** What this device has. @param {Translator} i18n @returns {string[]} */
  _state(i18n) {
    const { lease, counts, leftMs, isSetBack } = this._offline;
    const lines = [];
    if (lease?.state === "held") {
      const until = i18n.time(Date.now() + leftMs);
      const title = i18n.name(lease.show.title);
      if (leftMs > 0) lines.push(i18n.t("gateLeased", { n: counts.tickets, title, until }));
      else lines.push(i18n.t(isSetBack ? "gateClock" : "gateLeaseOver"));
      if (lease.elsewhere) lines.push(i18n.t("gateElsewhereLeased", { n: lease.elsewhere }));
      if (lease.left_over) lines.push(i18n.t("gateLeftOver", { n: lease.left_over }));
    } else if (lease?.state === "returning") lines.push(i18n.t("gateReturning"));
    if (counts.unreported) lines.push(i18n.t("gateUnreported", { n: counts.unreported }));
    if (this.isTroubled) lines.push(i18n.t("err_internal"));
    if (counts.conflicts) lines.push(i18n.t("gateConflicts", { n: counts.conflicts }));
    return lines;
  }

  /** @param {Translator} i18n */
  _buttons(i18n) {
    const { lease } = this._offline;
    if (lease?.state === "held") return [button(i18n.t("gateReturn"), "return", () => this._return())];
    return lease ? [] : [button(i18n.t("gatePrepare"), "prepare", () => this._choose())];
  }

  /** @param {Translator} i18n @param {Show[]} shows */
  _form(i18n, shows) {
    const show = shows.find(({ id }) => id === this._chosen) ?? shows[0];
    const close = () => {
      this._shows = null;
      this._redraw("[data-act=prepare]");
    };
    if (!show) return h("div", {}, h("p", {}, i18n.t("gateNoShow")), button(i18n.t("opsNo"), "close", close));
    const select = h("select", { id: "offline-show" });
    select.addEventListener("change", () => {
      this._chosen = select.value;
      this._redraw("#offline-show");
    });
    for (const { id, title, starts_at } of shows)
      select.append(
        h("option", { value: id, selected: id === show.id }, `${i18n.name(title)}, ${i18n.time(starts_at)}`),
      );
    const sections = show.sections.map((section) =>
      h(
        "label",
        { class: "check" },
        h("input", { type: "checkbox", name: "section", value: section, checked: true }),
        i18n.name(section) || "–",
      ),
    );
    const submit = (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      const chosen = new FormData(/** @type {HTMLFormElement} */ (event.target)).getAll("section").map(String);
      const all = show.sections.length < 2 || chosen.length === show.sections.length;
      if (all || chosen.length) this._prepare(show, all ? null : chosen);
    };
    return h(
      "form",
      { onsubmit: submit },
      h("label", { for: "offline-show" }, i18n.t("gatePrepareShow")),
      select,
      show.sections.length > 1 ? h("fieldset", {}, h("legend", {}, i18n.t("gatePrepareSections")), ...sections) : null,
      h("p", { class: "hint" }, i18n.t("gatePrepareHint")),
      h(
        "div",
        { class: "pair" },
        h("button", { class: "button primary", type: "submit" }, i18n.t("gatePrepareDo")),
        button(i18n.t("opsNo"), "close", close),
      ),
    );
  }

  async _return() {
    await this._try(() => this._offline.giveBack());
    this._redraw("[data-act=prepare]");
  }

  async _choose() {
    const { theatre } = this._place();
    await this._try(async () => {
      this._shows = (await ask(`/gate/shows?${new URLSearchParams({ theatre })}`)).shows;
    });
    this._redraw("#offline-show");
  }

  /** @param {Show} show @param {string[] | null} sections */
  async _prepare({ id, title, starts_at }, sections) {
    await this._try(async () => {
      await this._offline.prepare({ ...this._place(), show: { id, title, starts_at }, sections });
      this._shows = null;
    });
    this._redraw("button");
  }

  /** @param {() => Promise<void>} act */
  async _try(act) {
    this._problem = "";
    try {
      await act();
    } catch (error) {
      const code = error instanceof ApiError ? error.code : "internal";
      this._problem = this._i18n?.has(`err_${code}`) ? `err_${code}` : "err_internal";
      await this._sync(); // what the server may have leased is returned
    }
  }

  /** @param {string} focus where the keyboard was */
  _redraw(focus) {
    if (this._i18n) this.draw(this._i18n);
    /** @type {HTMLElement | null} */ (this.element.querySelector(focus))?.focus();
  }
}

/** @param {string} text @param {string} act @param {() => void} onclick */
function button(text, act, onclick) {
  return h("button", { class: "button", type: "button", "data-act": act, onclick }, text);
}
