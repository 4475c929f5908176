"""The ticket code: what a clerk may type, and which typing errors are recognised without a look-up."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.tickets.code import ALPHABET, CodeInvalid, derive_code, derive_key, is_code, normalise, printed

separators = st.sampled_from([" ", "-", "\t", ".", "/", "\u00a0", "_"])
codes = st.builds(derive_code, st.binary(max_size=32), st.text(max_size=80))


@given(codes)
def test_a_derived_code_is_a_code_of_eight_letters_without_look_alikes(code: str) -> None:
    assert is_code(code)
    assert len(code) == 8
    assert not set(code) & set("AEIOUYQ0123456789")


def test_codes_differ_by_booking_by_region_and_by_secret() -> None:
    keys = [
        derive_key(secret, region) for secret in ("a secret of many", "another one") for region in ("west", "north")
    ]
    assert len({derive_code(key, f"booking {n}") for key in keys for n in range(250)}) == 1_000


def test_the_code_of_a_booking_stays_the_same_between_releases() -> None:
    code = derive_code(derive_key("a secret of many", "west"), "west-s.b0123456789012345678901 0")
    assert code == "CFJMBZVZ", "a booking that is recorded again would not fit its printed ticket"


@given(codes)
def test_a_printed_code_is_read_back(code: str) -> None:
    assert normalise(printed(code)) == code


@given(codes, st.lists(separators, min_size=9, max_size=9), st.booleans())
def test_case_and_separators_do_not_matter(code: str, between: list[str], lower: bool) -> None:
    typed = between[0] + "".join(letter + space for letter, space in zip(code, between[1:], strict=True))
    assert normalise(typed.lower() if lower else typed) == code


@given(codes, st.data())
def test_look_alikes_are_read_as_the_letter_on_the_ticket(code: str, data: st.DataObject) -> None:
    alike = {"D": "D0OQoq", "L": "L1Ii", "V": "VUu", "Z": "Z2", "S": "S5", "G": "G6", "B": "B8"}
    typed = "".join(data.draw(st.sampled_from(alike.get(letter, letter))) for letter in code)
    assert normalise(typed) == code


def test_full_width_letters_of_an_input_method_are_read() -> None:
    assert normalise("ＷＤＪＢ　ＭＪＨＴ") == "WDJBMJHT"


@given(codes, st.integers(0, 7), st.sampled_from(ALPHABET))
def test_one_wrong_letter_is_always_recognised(code: str, place: int, letter: str) -> None:
    wrong = code[:place] + letter + code[place + 1 :]
    if wrong != code:
        with pytest.raises(CodeInvalid, match="a letter of the ticket code is wrong"):
            normalise(wrong)


@given(codes, st.integers(0, 7), st.integers(0, 7))
def test_two_swapped_letters_are_always_recognised(code: str, first: int, second: int) -> None:
    letters = list(code)
    letters[first], letters[second] = letters[second], letters[first]
    swapped = "".join(letters)
    assert is_code(swapped) == (swapped == code)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("", "has 8 letters"),
        ("WDJB-MJH", "has 8 letters"),
        ("WDJB-MJHTT", "has 8 letters"),
        ("WDJB-MJHE", "consists of the letters"),
        ("WDJB-MJH\0", "consists of the letters"),
        ("WDJB-MJHт", "consists of the letters"),
        ("W" * 1_000_000, "has 8 letters"),
    ],
)
def test_what_is_no_code_is_refused_with_a_reason(typed: str, message: str) -> None:
    with pytest.raises(CodeInvalid, match=message):
        normalise(typed)


@given(st.text(max_size=100))
def test_any_input_gives_a_code_or_is_refused(typed: str) -> None:
    with contextlib.suppress(CodeInvalid):
        assert is_code(normalise(typed))
