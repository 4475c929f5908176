"""Turns what is wrong with payments, refunds, tasks and their jobs into differences, and back for the repair. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from realtime.job_states import JobState
from realtime.keeper.compare import REPAIRED_IN_LEDGER, Difference, Kind
from realtime.ledger.audit import Finding
from realtime.ledger.money_questions import MoneyFault
from realtime.ledger.rows import Queue, TaskRow


def money_differences(findings: Iterable[Finding]) -> list[Difference]:
    """Return the ledger's findings as differences."""
    return [
        Difference(f.show, Kind(f.fault.value), hold=f.hold, other=f.detail, payment=f.payment, subject=f.subject)
        for f in findings
    ]


def faults_of(differences: Iterable[Difference]) -> list[Finding]:
    """Return those differences that the ledger repairs by itself, as its findings."""
    return [
        Finding(MoneyFault(d.kind.value), d.show, d.hold, d.payment, d.subject, d.other)
        for d in differences
        if d.kind in REPAIRED_IN_LEDGER
    ]


def lost_refunds(show: str, refused: Mapping[str, str], known: Collection[str]) -> list[Difference]:
    """Return the refused payments (by hold) that are not among the known ones: nobody returns their money."""
    return [
        Difference(show, Kind.REFUND_LOST, hold=hold, payment=payment)
        for hold, payment in refused.items()
        if payment not in known
    ]


def task_differences(
    tasks: Sequence[TaskRow], states: Sequence[JobState], failed_refunds: Collection[str]
) -> list[Difference]:
    """Return the unfinished tasks that no job does. ``states`` are those of their jobs, in the same order.

    A refund that the gateway refused permanently is reported as such, so its failed job is no difference of its own. A
    completed job finishes its task within a minute, unless it was a refund: its worker writes the ledger first.
    """
    found = []
    for task, state in zip(tasks, states, strict=True):
        refund = task.queue is Queue.REFUNDS
        if task.subject in failed_refunds:
            continue
        if state in (JobState.MISSING, JobState.RECORDED, JobState.WITHOUT_TASK, JobState.UNDELIVERABLE) or (
            refund and state in (JobState.COMPLETED, JobState.FAILED)
        ):
            found.append(Difference("", Kind.TASK_WITHOUT_JOB, subject=task.id))
        elif state is JobState.FAILED:
            found.append(Difference("", Kind.TASK_FAILED, subject=task.id))
    return found
