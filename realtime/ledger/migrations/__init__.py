"""The history of the schema: one Alembic revision a change, in ``versions``, applied when a keeper opens its ledger.

A revision's ``upgrade`` is given its ``Operations`` instead of taking Alembic's ``op``, which all of a process share:
two ledgers may be opened at once. ``schema.py`` is what the newest revision amounts to; a test holds one to the other.
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
    # Alembic takes most of half a second to import, at every start of a keeper or worker.
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
