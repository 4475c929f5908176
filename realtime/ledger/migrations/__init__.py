"""The history of the schema: one Alembic revision a change, in ``versions``, applied when a keeper opens its ledger.

A revision's ``upgrade`` is given its ``Operations`` instead of taking Alembic's ``op``, which all of a process share:
two ledgers may be opened at once. ``schema.py`` is what the newest revision amounts to; a test holds one to the other.
"""

from __future__ import annotations

from pathlib import Path

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def upgrade(connection: Connection) -> None:
    """Bring the schema to the newest revision, in the transaction of ``connection``."""
    script = ScriptDirectory(Path(__file__).parent)
    context = MigrationContext.configure(connection)
    missing = tuple(script.iterate_revisions("heads", context.get_current_heads() or "base"))
    for revision in reversed(missing):
        revision.module.upgrade(Operations(context))
        context.stamp(script, revision.revision)
