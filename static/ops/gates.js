/**
 * The section of gates that admit without a network: which device has leased which tickets, and which of the admissions
 * that devices have reported contradict the ledger. The newest of these raise an alarm.
 *
 * @import { Translator } from "../i18n/i18n.js"
 *
 * @typedef {{lease: string, gate: string, show_id: string, tickets: number, until: number, region: string}} Lease
 * @typedef {{booking: string, code?: string, lease: string, gate: string, kind: string, admitted_at: number, reported_at: number}} Conflict
 * @typedef {{title: string, theatre: string, starts_at: string}} About
 * @typedef {{time: number, leases: Lease[], conflicts: Conflict[], shows: Record<string, About>, missing: string[]}} Answer
 */
import { errorLine, h } from "../app/dom.js";
import { ask } from "./api.js";
import { moment } from "./format.js";
import { alarmLine, missingRegions, question, scrollTable, tableRow } from "./pieces.js";
import { PolledSection } from "./polled-section.js";

const EVERY_MS = 10000;
/** Conflicts raise the alarm for this long after they were reported. */
const ALARM_MS = 24 * 3600 * 1000;

/** @extends {PolledSection<Answer>} */
export class GateList extends PolledSection {
  /**
   * @param {(why: string) => void} leave called when the operator key is not valid any more
   * @param {(booking: string) => void} open shows the story of a booking
   */
  constructor(leave, open) {
    super(leave, "gates", "money", "opsGates", EVERY_MS);
    this._cutNotice = "opsGatesCut";
    this._open = open;
    /** @type {Answer | null} */
    this._answer = null;
    /** The lease that the operator is asked about. @type {Lease | null} */
    this._ending = null;
    this._problem = false;
    this.alarm = h("div", { "aria-live": "polite" });
  }

  async _request() {
    return ask("/ops/gate");
  }

  /** @param {Answer} answer */
  _keep(answer) {
    this._answer = answer;
  }

  /** @param {Lease} lease */
  async _end({ lease, region }) {
    this._ending = null;
    try {
      await ask(`/ops/gate/leases/${encodeURIComponent(lease)}/end?${new URLSearchParams({ region })}`, {});
      this._problem = false;
    } catch {
      this._problem = true;
    }
    this._ask();
  }

  /** Ask whether to end a lease, or close the question. @param {Lease | null} lease @param {string} focus */
  _askToEnd(lease, focus) {
    this._ending = lease;
    this._draw();
    /** @type {HTMLElement | null} */ (this._body.querySelector(focus))?.focus();
  }

  // --- drawing ------------------------------------------------------------------------------------------------------
  _draw() {
    const { _answer: answer, _i18n: i18n } = this;
    if (!i18n) return;
    const recent = answer?.conflicts.filter(({ reported_at }) => reported_at > answer.time - ALARM_MS).length ?? 0;
    if (this._isDrawn({ ...answer, time: 0 }, recent, this._ending, this._problem)) return;
    this.alarm.replaceChildren(...(recent ? [this._alarm(i18n, recent)] : []));
    this._body.replaceChildren(
      ...(this._cut ? [errorLine(i18n.t(this._cutNotice))] : []),
      ...(this._problem ? [errorLine(i18n.t("opsLeaseNotEnded"), { role: "alert" })] : []),
      ...(answer ? this._lists(i18n, answer) : []),
    );
  }

  /** @param {Translator} i18n @param {number} n conflicts */
  _alarm(i18n, n) {
    const toList = () => {
      this.element.scrollIntoView();
      this.element.focus();
    };
    return alarmLine(i18n, i18n.t("opsGateAlarm", { n }), toList);
  }

  /** @param {Translator} i18n @param {Answer} answer */
  _lists(i18n, { leases, conflicts, shows, missing }) {
    const hint = (/** @type {string} */ name) => h("p", { class: "hint" }, i18n.t(name));
    return [
      ...missingRegions(i18n, missing),
      h("h3", {}, i18n.t("opsLeases")),
      leases.length ? this._leases(i18n, leases, shows) : hint("opsNoLeases"),
      ...(this._ending ? [this._question(i18n, this._ending)] : []),
      h("h3", {}, i18n.t("opsGateConflicts")),
      conflicts.length ? this._conflicts(i18n, conflicts, shows) : hint("opsNoGateConflicts"),
    ];
  }

  /** By show, the soonest first. @param {Translator} i18n @param {Lease[]} leases @param {Answer["shows"]} shows */
  _leases(i18n, leases, shows) {
    const when = (/** @type {Lease} */ { show_id }) => `${shows[show_id]?.starts_at ?? ""} ${show_id}`;
    const sorted = leases.toSorted((a, b) => when(a).localeCompare(when(b)) || a.gate.localeCompare(b.gate));
    const heads = ["opsTheatre", "opsShow", "opsGate", "opsTickets", "opsLeasedUntil", "opsEndLease"];
    const rows = sorted.map((lease) =>
      tableRow(
        i18n.name(shows[lease.show_id]?.theatre ?? "–"),
        showLink(i18n, lease.show_id, shows),
        lease.gate || "–",
        i18n.count(lease.tickets),
        timeCell(i18n, lease.until),
        h(
          "button",
          {
            class: "button",
            type: "button",
            "data-lease": lease.lease,
            "aria-label": `${i18n.t("opsEndLease")}: ${lease.gate}`,
            onclick: () => this._askToEnd(lease, ".question .primary"),
          },
          i18n.t("opsEndLease"),
        ),
      ),
    );
    return scrollTable(i18n.t("opsLeases"), words(i18n, heads), rows);
  }

  /** @param {Translator} i18n @param {Lease} lease */
  _question(i18n, lease) {
    return question(
      i18n.t("opsEndLease"),
      i18n.t("opsEndLeaseAsk", { gate: lease.gate || "–", n: lease.tickets }),
      { words: i18n.t("opsEndLease"), act: () => this._end(lease) },
      { words: i18n.t("opsNo"), act: () => this._askToEnd(null, `[data-lease="${lease.lease}"]`) },
    );
  }

  /** @param {Translator} i18n @param {Conflict[]} conflicts @param {Answer["shows"]} shows */
  _conflicts(i18n, conflicts, shows) {
    const heads = ["opsReported", "opsReason", "opsTicket", "opsShow", "opsGate", "opsAdmittedAt"];
    const rows = conflicts.map(({ booking, code, kind, gate, admitted_at, reported_at }) => {
      const open = () => this._open(booking);
      return tableRow(
        timeCell(i18n, reported_at),
        i18n.has(`opsGateKind_${kind}`) ? i18n.t(`opsGateKind_${kind}`) : kind,
        h("a", { class: "code", href: `#booking=${encodeURIComponent(booking)}`, onclick: open }, code || booking),
        showLink(i18n, booking.slice(0, booking.indexOf(".")), shows),
        gate || "–",
        timeCell(i18n, admitted_at),
      );
    });
    return scrollTable(i18n.t("opsGateConflicts"), words(i18n, heads), rows);
  }
}

/** @param {Translator} i18n @param {string} show @param {Answer["shows"]} shows */
function showLink(i18n, show, shows) {
  const about = shows[show];
  const text = about ? `${i18n.name(about.title)}, ${i18n.moment(about.starts_at)}` : show;
  return h("a", { href: `/ops/shows/${encodeURIComponent(show)}` }, text);
}

/** @param {Translator} i18n @param {string[]} names */
function words(i18n, names) {
  return names.map((name) => i18n.t(name));
}

/** @param {Translator} i18n @param {number} when */
function timeCell(i18n, when) {
  return h("td", { class: "when" }, moment(when, i18n));
}
