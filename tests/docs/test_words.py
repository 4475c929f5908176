"""Words that the project has replaced by the field's own (docs/glossary.md) do not come back.

A word is listed with the files in which it means something else, or must stay for the sake of an upgrade.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_TEXT = {
    *(".py", ".lua", ".js", ".mjs", ".ts", ".css", ".html", ".svg", ".webmanifest", ".typ", ".md", ".txt", ".patch"),
    *(".toml", ".json", ".jsonc", ".sh", ".c", ".h", ""),
}
"""The endings of tracked text files; Makefile and Procfile have none."""
_ALWAYS = ("CHANGELOG.md", "tests/docs/test_words.py")
"""Say what was renamed."""
_UPGRADE = (
    "realtime/keys.py",
    "realtime/ledger/migrations/versions/",
    "tests/ledger/test_migrations.py",
    "tests/keeper/test_reconcile.py",
    "loadtest/faults/broken/",
)


@dataclass(frozen=True)
class Retired:
    """A pattern (case matters), the word that is used instead, where to look, and what is left alone."""

    pattern: str
    use: str
    only: tuple[str, ...] = ("",)
    allowed: tuple[str, ...] = ()


RETIRED = (
    Retired(r"\bWay\b", "WebSocketConnection"),
    Retired(r"\b(Door|Entrance|door\.py)\b", "Acceptor, PendingConnection"),
    Retired(r"\b(Inbox|Outlet)\b", "FrameSink, DirectQueue"),
    Retired(r"\breigns?\b", "fencing token", allowed=_UPGRADE),
    Retired(r"\bterms?\b(?! of)", "incarnation", only=("realtime/locks/master.py", "realtime/keeper/reconcile.py")),
    Retired(r"(?<![A-Za-z])[Pp]ut(s|ting)?[ _]([a-z]+[ _])?right\b", "reconcile, rebuild, repair"),
    Retired(r"\b[Mm]end(s|ed|ing)?\b", "reconcile, rebuild, repair; a gap is filled"),
    Retired(r"\bastray\b", "diverged", allowed=("realtime/locks/lua/previous_rebuild.lua", "tests/locks/")),
    Retired(r"\bdisown(s|ed)?\b", "void", allowed=("realtime/locks/lua/shared.lua", "tests/locks/")),
    Retired(r"\bbur(y|ies|ied)\b", "tombstone"),
    Retired(r"\bdistrust\w*\b", "invalidate"),
    Retired(r"\bequipped\b", "functions loaded"),
    Retired(r"\bTRUST_S\b", "LEASE_S"),
    Retired(r"\b[Pp]arked\b|\bPARKED\b|\b[Ss]ets? (\w+ )*aside\b|\bset_aside\b|\bSetAside\b", "dead letter"),
    Retired(r"\bchokes?\b", "attempts"),
    Retired(r"\b[Pp]resence\b|\bPRESENCE\w*\b", "status report"),
    Retired(r"\b[Ff]lood(s|ed|ing)?\b|\bGuesses\b", "rate limit, attempt limiter", only=("realtime/",)),
    Retired(r"\bis \*?behind\*?\b(?! (a|the) )", "lagging", only=("realtime/rooms/", "realtime/transport/")),
    Retired(r"(?<![A-Za-z])(un)?told(?![A-Za-z]| apart)", "sent, received, answered, notified"),
    Retired(r"\bStanding\b|\bauthority\(", "ReplicationStatus, master_status"),
    Retired(r"\bcontrol_room\b|\bweb[./]operators\b", "ops"),
    Retired(r"\b(easy|seize|sift|obstacles|paint)\b", "the words of docs/glossary.md", only=("realtime/locks/",)),
    Retired(
        r"\b(mourn|last_words|_greet|_resting|def (rest|wake))\b",
        "back off, log tail, pause, resume",
        only=("realtime/",),
    ),
    Retired(r"\bloop turns?\b|\bturns? of (its|the|an) (event )?loop\b", "iteration of the loop"),
    Retired(r"(?<![A-Za-z])(honestly|seldom|lest|[Ww]hoever|knows not|for ever|for good)(?![A-Za-z])", "plain English"),
)


@cache
def _texts() -> dict[str, str]:
    """Return the tracked text files."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    files = [name for name in tracked if Path(name).suffix in _TEXT and not name.endswith("package-lock.json")]
    return {name: (ROOT / name).read_text(encoding="utf-8") for name in files if name not in _ALWAYS}


@pytest.mark.parametrize("retired", RETIRED, ids=[retired.pattern for retired in RETIRED])
def test_a_retired_word_is_not_used(retired: Retired) -> None:
    found = [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in _texts().items()
        if name.startswith(retired.only) and not name.startswith(retired.allowed or "\0")
        for number, line in enumerate(text.splitlines(), 1)
        if re.search(retired.pattern, line)
    ]
    assert found == [], f"write: {retired.use}"
