"""The wheel contains what the package needs besides its modules, including the pages."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PARTS = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "realtime", "loadtest", "static")


def copy(folder: Path) -> None:
    # Built elsewhere: a build leaves its own folders behind.
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", "dist", "."]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_wheel_has_the_pages_and_the_functions(tmp_path: Path) -> None:
    copy(tmp_path)
    done = build(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    pages = {f"realtime/{file.relative_to(ROOT)}" for file in (ROOT / "static").rglob("*.*") if file.is_file()}
    assert {name for name in pages if not name.endswith(".d.ts")} <= inside
    assert {
        "realtime/locks/lua/shared.lua",
        "realtime/py.typed",
        "realtime/static/built/manifest.json",
        "realtime/static/vendor/socket.io.esm.min.js",
        "realtime/tickets/fonts/NotoSans_400Regular.ttf",
        "realtime/tickets/templates/a4.typ",
    } <= inside
    for revision in (ROOT / "realtime" / "ledger" / "migrations" / "versions").glob("*.py"):
        assert str(revision.relative_to(ROOT)) in inside


@pytest.mark.parametrize("needed", ["static/vendor", "static/built", "realtime/tickets/fonts"])
def test_a_wheel_is_not_built_without_the_bundled_libraries_and_fonts(tmp_path: Path, needed: str) -> None:
    copy(tmp_path)
    shutil.rmtree(tmp_path / needed)
    done = build(tmp_path)
    assert done.returncode != 0
    assert "run `make install` before" in done.stdout + done.stderr
