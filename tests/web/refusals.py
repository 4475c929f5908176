"""What every refusal of a node has in common."""

from __future__ import annotations

from typing import Any

from realtime.errors import CODES


def refused(answer: dict[str, Any], code: str) -> dict[str, Any]:
    assert answer["ok"] is False, answer
    error: dict[str, Any] = answer["error"]
    assert error["code"] == code, error
    assert error["code"] in CODES
    assert "Traceback" not in str(error)
    assert isinstance(error["message"], str)
    return error
