/**
 * The section of jobs: how many wait, run and have failed in each queue, and the failed ones with a button to retry.
 *
 * @import { Translator } from "../i18n/i18n.js"
 *
 * @typedef {{queue: string, task: string, reason: string, attempts: number, failed_at: number, region: string}} FailedJob
 * @typedef {{queues: Record<string, Record<string, Record<string, number>>>, failed: FailedJob[], missing: string[]}} Jobs
 */
import { h, icon } from "../app/dom.js";
import { ApiError, ask } from "./api.js";

const EVERY_MS = 5000;
const STATES = ["wait", "active", "delayed", "failed", "completed"];

export class JobList {
  /** @param {(why: string) => void} leave called when the operator key is not valid any more */
  constructor(leave) {
    this._leave = leave;
    /** @type {Jobs | null} */
    this._jobs = null;
    this._cut = false;
    /** Tasks that are being retried. @type {Set<string>} */
    this._retrying = new Set();
    this._timer = 0;
    this._asked = 0;
    /** @type {Translator | null} */
    this._i18n = null;
    this._body = h("div", { class: "rows" });
    this.element = h("section", { class: "jobs", id: "jobs", tabindex: -1 });
  }

  /** Ask now, and regularly from now on. */
  start() {
    this._ask();
  }

  stop() {
    clearTimeout(this._timer);
    this._asked++;
  }

  /** @param {Translator} i18n */
  localize(i18n) {
    this._i18n = i18n;
    this.element.replaceChildren(h("h2", {}, i18n.t("opsJobs")), this._body);
    this._draw();
  }

  async _ask() {
    clearTimeout(this._timer);
    const mine = ++this._asked;
    try {
      const jobs = await ask("/ops/jobs");
      if (mine !== this._asked) return;
      this._jobs = jobs;
      this._cut = false;
    } catch (error) {
      if (mine !== this._asked) return;
      if (error instanceof ApiError && error.status === 403) {
        this._leave("opsWrongKey");
        return;
      }
      this._cut = true;
    }
    this._draw();
    this._timer = setTimeout(() => this._ask(), EVERY_MS);
  }

  /** @param {FailedJob} job */
  async _retry(job) {
    this._retrying.add(job.task);
    this._draw();
    try {
      await ask(`/ops/jobs/${encodeURIComponent(job.task)}/retry?region=${job.region}`, {});
    } catch {
      // The list says what became of it.
    }
    this._retrying.delete(job.task);
    this._ask();
  }

  // --- drawing ------------------------------------------------------------------------------------------------------
  _draw() {
    const i18n = this._i18n;
    if (!i18n) return;
    if (this._cut) this._body.replaceChildren(alarm(i18n.t("opsMoneyCut")));
    else if (!this._jobs) this._body.replaceChildren(h("p", { class: "hint" }, i18n.t("loading")));
    else {
      const { failed, missing } = this._jobs;
      this._body.replaceChildren(
        ...(missing.length ? [alarm(i18n.t("opsMoneyMissing", { regions: missing.join(", ") }))] : []),
        this._counts(i18n, this._jobs),
        failed.length ? this._failed(i18n, failed) : h("p", { class: "hint" }, i18n.t("opsNoFailedJobs")),
      );
    }
  }

  /** @param {Translator} i18n @param {Jobs} jobs */
  _counts(i18n, { queues }) {
    const regions = Object.values(queues);
    const names = Object.keys(regions[0] ?? {});
    const sum = (/** @type {string} */ queue, /** @type {string} */ state) =>
      regions.reduce((all, region) => all + (region[queue]?.[state] ?? 0), 0);
    const heads = ["opsQueue", ...STATES.map((state) => `opsJobs_${state}`)];
    const rows = names.map((queue) => [queue, ...STATES.map((state) => i18n.count(sum(queue, state)))]);
    return table(
      i18n.t("opsJobs"),
      heads.map((name) => i18n.t(name)),
      rows,
    );
  }

  /** @param {Translator} i18n @param {FailedJob[]} failed */
  _failed(i18n, failed) {
    const heads = ["opsWhen", "opsRegion", "opsTask", "opsReason", "opsAttempts", "opsRetry"];
    const rows = failed.map((job) => [
      `${i18n.shortDay(job.failed_at)}, ${i18n.clock(job.failed_at)}`,
      job.region,
      job.task,
      job.reason,
      i18n.count(job.attempts),
      h(
        "button",
        {
          class: "button",
          type: "button",
          "data-task": job.task,
          "aria-label": `${i18n.t("opsRetry")}: ${job.task}`,
          disabled: this._retrying.has(job.task),
          onclick: () => this._retry(job),
        },
        i18n.t("opsRetry"),
      ),
    ]);
    return table(
      i18n.t("opsFailedJobs"),
      heads.map((name) => i18n.t(name)),
      rows,
    );
  }
}

/** @param {string} text */
function alarm(text) {
  return h("p", { class: "error" }, icon("alert"), h("span", {}, text));
}

/** @param {string} label @param {string[]} heads @param {(string | Node)[][]} rows */
function table(label, heads, rows) {
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": label },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, ...heads.map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, ...rows.map((row) => h("tr", {}, ...row.map((cell) => h("td", {}, cell))))),
    ),
  );
}
