"""What pyproject.toml allows, constraints.txt pins, and the guard of the frameworks' private parts knows agree."""

from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from realtime.transport.guard import TESTED

ROOT = Path(__file__).parent.parent.parent


def requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    return [Requirement(line) for line in (*project["dependencies"], *extras)]


def test_every_requirement_is_pinned_to_a_version_that_it_allows() -> None:
    lines = [line.partition("==") for line in (ROOT / "constraints.txt").read_text().split()]
    pins = {canonicalize_name(name): version for name, _, version in lines}
    for each in requirements():
        assert each.specifier.contains(pins[canonicalize_name(each.name)]), each


def test_frameworks_are_allowed_in_the_versions_that_the_guard_knows_and_no_later() -> None:
    allowed = {each.name: each.specifier for each in requirements()}
    for distribution, _first, beyond in TESTED.values():
        assert not allowed[distribution].contains(".".join(map(str, beyond))), distribution
