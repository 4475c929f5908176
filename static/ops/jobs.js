/**
 * The section of jobs: how many wait, run and have failed in each queue, and the failed ones with a button to retry.
 *
 * @import { Translator } from "../i18n/i18n.js"
 *
 * @typedef {{queue: string, task: string, reason: string, attempts: number, failed_at: number, region: string}} FailedJob
 * @typedef {{queues: Record<string, Record<string, Record<string, number>>>, failed: FailedJob[], missing: string[]}} Jobs
 */
import { errorLine, h } from "../app/dom.js";
import { ask } from "./api.js";
import { moment } from "./format.js";
import { missingRegions, scrollTable, tableRow } from "./pieces.js";
import { PolledSection } from "./polled-section.js";

const STATES = ["wait", "active", "delayed", "failed", "completed"];

/** @extends {PolledSection<Jobs>} */
export class JobList extends PolledSection {
  /** @param {(why: string) => void} leave called when the operator key is not valid any more */
  constructor(leave) {
    super(leave, "jobs", "jobs", "opsJobs");
    /** @type {Jobs | null} */
    this._jobs = null;
    /** Tasks that are being retried. @type {Set<string>} */
    this._retrying = new Set();
  }

  async _request() {
    return ask("/ops/jobs");
  }

  /** @param {Jobs} answer */
  _keep(answer) {
    this._jobs = answer;
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
    if (this._cut) this._body.replaceChildren(errorLine(i18n.t(this._cutNotice)));
    else if (!this._jobs) this._body.replaceChildren(h("p", { class: "hint" }, i18n.t("loading")));
    else {
      const { failed, missing } = this._jobs;
      this._body.replaceChildren(
        ...missingRegions(i18n, missing),
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
    const rows = names.map((queue) => tableRow(queue, ...STATES.map((state) => i18n.count(sum(queue, state)))));
    return scrollTable(
      i18n.t("opsJobs"),
      heads.map((name) => i18n.t(name)),
      rows,
    );
  }

  /** @param {Translator} i18n @param {FailedJob[]} failed */
  _failed(i18n, failed) {
    const heads = ["opsWhen", "opsRegion", "opsTask", "opsReason", "opsAttempts", "opsRetry"];
    const rows = failed.map((job) =>
      tableRow(
        moment(job.failed_at, i18n),
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
      ),
    );
    return scrollTable(
      i18n.t("opsFailedJobs"),
      heads.map((name) => i18n.t(name)),
      rows,
    );
  }
}
