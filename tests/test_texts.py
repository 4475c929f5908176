"""Times, texts and log lines that come from outside, in the one form in which they are kept."""

from __future__ import annotations

import logging

import msgspec
import pytest

from realtime import logs
from realtime.errors import BadRequest
from realtime.model import canonical_time
from realtime.wire.requests import NewTheatre, parse_json
from realtime.wire.shows import decode_show, encode_show
from tests.read_path import SHOW


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2030-01-01T18:30:00+05:30", "2030-01-01T18:30:00+05:30"),
        ("2030-01-01 18:30+05:30", "2030-01-01T18:30:00+05:30"),
        ("20300101T1830+0530", "2030-01-01T18:30:00+05:30"),
        ("2030-W01-2T18:30:00+05:30", "2030-01-01T18:30:00+05:30"),
        ("2030-01-01T13:00:00.123456Z", "2030-01-01T13:00:00+00:00"),
        ("2030-01-01T18:30:20+05:30:20", "2030-01-01T13:00:00+00:00"),
        ("2030-01-01T18:30:00", None),
        ("2030-01-01", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("1969-12-31T23:59:59+00:00", None),
        ("soon", None),
        ("", None),
    ],
)
def test_a_time_is_kept_in_the_form_that_every_browser_reads(given: str, kept: str | None) -> None:
    if kept is None:
        with pytest.raises(ValueError, match=r".*"):
            canonical_time(given)
    else:
        assert canonical_time(given) == kept


def test_a_show_with_a_time_that_cannot_be_read_is_still_a_show() -> None:
    stored = encode_show(SHOW).replace(b'"2030-01-01T18:30:00+05:30"', b'"2030-W01-2T18:30+05:30"')
    assert decode_show(stored).starts_at == "2030-01-01T18:30:00+05:30"
    stored = stored.replace(b'"2030-W01-2T18:30+05:30"', b'"the day after tomorrow"')
    assert decode_show(stored).starts_at == "1970-01-01T00:00:00+00:00"
    stored = stored.replace(b'"sales_start":""', b'"sales_start":"soon"')
    assert decode_show(stored).sales_start == ""


@pytest.mark.parametrize("text", ["a\nb", "a\n", "\x1b[31mred", "\x85", "abc\u202edef", "\u2066x", "\u2028", "\ufeffx"])
def test_a_text_field_has_no_characters_that_are_not_shown_as_themselves(text: str) -> None:
    body = msgspec.json.encode({"name": text, "city": "Pune", "region": "west"})
    with pytest.raises(BadRequest):
        parse_json(NewTheatre, body)


@pytest.mark.parametrize("text", ["Prithvi", "पृथ्वी थिएटर", "क्‍ष", "Café", "🎭"])
def test_a_text_field_has_every_script(text: str) -> None:
    body = msgspec.json.encode({"name": text, "city": "Pune", "region": "west"})
    assert parse_json(NewTheatre, body).name == text


@pytest.mark.parametrize("body", [b"[" * 50_000, b'{"a":' * 50_000, b'{"name":' + b"[" * 30_000 + b"]" * 30_000 + b"}"])
def test_deep_json_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_json(NewTheatre, body)


def test_a_log_line_is_one_line_and_moves_no_cursor() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "path %s", ("/a\nforged\r\x1b[31m\u202e",), None)
    line = logs.OneLine().format(record)
    assert line.endswith(r"path /a\nforged\r\x1b[31m\u202e")
    try:
        raise ValueError("a\x1b[31m")
    except ValueError as error:
        record.exc_info = (ValueError, error, error.__traceback__)
    assert "\x1b" not in logs.OneLine().format(record)
