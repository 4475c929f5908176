"""The history of the schema: one Alembic revision a change, in ``versions``, applied when a keeper opens its ledger.

A revision's ``upgrade`` is given its ``Operations`` instead of taking Alembic's ``op``, which all of a process share:
two ledgers may be opened at once. ``schema.py`` is what the newest revision amounts to; a test holds one to the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def upgrade(connection: Connection) -> None:
    """Bring the schema to the newest revision, in the transaction of ``connection``."""
    script = ScriptDirectory(Path(__file__).parent)

    def steps(current: Any, _context: MigrationContext) -> Iterable[Any]:
        return script._upgrade_revs("heads", current)

    context = MigrationContext.configure(connection, opts={"fn": steps})
    context.run_migrations(op=Operations(context))
