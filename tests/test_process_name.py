"""Processes of machines that are made of one image have names of their own."""

from __future__ import annotations

import os

import pytest

from realtime import settings
from realtime.settings import process_name


def test_a_process_keeps_its_name_and_shares_it_with_no_other_of_its_host_name_and_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = process_name()
    assert mine == process_name()
    assert str(os.getpid()) in mine
    settings._random_part.cache_clear()  # as another interpreter, whose id is the same
    assert process_name() != mine
    here = process_name()
    monkeypatch.setattr(os, "getpid", lambda: 1)  # as a fork
    assert process_name().rpartition("-")[2] != here.rpartition("-")[2]
