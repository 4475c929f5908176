"""Puts the pages into the package when a wheel is built; everything else stands in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.errors import SetupError

PAGES = Path(__file__).parent / "static"
FONTS = Path(__file__).parent / "realtime" / "tickets" / "fonts"


class BuildWithPages(build_py):
    """In a checkout the pages stand beside the package, in a wheel inside it."""

    def run(self) -> None:
        """Copy the package, then the pages."""
        super().run()
        if self.editable_mode:
            return
        if not (PAGES / "vendor" / "socket.io.esm.min.js").exists():
            raise SetupError(
                "the pages lack static/vendor/socket.io.esm.min.js: run `make install` before `make wheel`"
            )
        if not (PAGES / "built" / "manifest.json").exists():
            raise SetupError("the pages are not bundled: run `make install` before `make wheel`")
        if not (FONTS / "NotoSans_400Regular.ttf").exists():
            raise SetupError("the tickets lack realtime/tickets/fonts: run `make install` before `make wheel`")
        target = Path(self.build_lib) / "realtime" / "static"
        shutil.copytree(PAGES, target, ignore=shutil.ignore_patterns("*.d.ts"), dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithPages})
