"""Programs from Debian packages that tests use; ``scripts/debian.sh`` says which tests need which package."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


def find_program(package: str, *names: str) -> Path:
    """Return the first of these programs that is installed; ``package`` is Debian's package that brings it.

    Without any of them the test fails. With SYSTEM_PACKAGES=no it is skipped, and listed as not run at the end.
    """
    for name in names:
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    if os.environ.get("SYSTEM_PACKAGES") == "no":
        pytest.skip(f"there is no {names[0]} (Debian: {package})")
    pytest.fail(f"there is no {names[0]}: run `make packages`, or install the Debian package {package}", pytrace=False)
