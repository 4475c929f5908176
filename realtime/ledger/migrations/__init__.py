"""The history of the schema: one Alembic revision per change, in ``versions``, applied when a keeper opens its ledger.

A revision's ``upgrade`` is given its own ``Operations`` instead of Alembic's ``op``, which is shared by the whole
process, because two ledgers may be opened at once. ``schema.py`` has the schema after the newest revision; a test
compares the two.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

NEWEST = "0018"
"""The newest revision."""


def upgrade(connection: Connection) -> None:
    """Bring the schema to the newest revision, in the transaction of ``connection``."""
    if _revision(connection) == NEWEST:
        return
    # Imported only if it is needed: it takes nearly half a second, at every start of a keeper or worker.
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(Path(__file__).parent)
    context = MigrationContext.configure(connection)
    missing = tuple(script.iterate_revisions("heads", context.get_current_heads() or "base"))
    for revision in reversed(missing):
        revision.module.upgrade(Operations(context))
        context.stamp(script, revision.revision)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found
