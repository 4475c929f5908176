"""SQLite ledgers for tests: migrated once a process, and copied for each test that needs one of its own."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import create_engine

from realtime.ledger import migrations


def new_ledger(path: Path) -> str:
    """Put a migrated empty ledger at ``path``; return its URL. ``tests/ledger`` tests the migrations themselves."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(_migrated(), path)
    return f"sqlite:///{path}"


@cache
def _migrated() -> Path:
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / "migrated.db"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        migrations.upgrade(connection)
    engine.dispose()
    return path
