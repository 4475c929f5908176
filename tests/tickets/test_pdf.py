"""The ticket as PDF: everything is on it, the QR code can be read, and nothing that anybody typed is evaluated."""

from __future__ import annotations

import re
import threading
from dataclasses import fields, replace
from pathlib import Path

import pytest
import typst

from realtime.tickets.data import Locale, Seller, Ticket, TicketSeat
from realtime.tickets.pdf import Paper, PrinterError, TicketPrinter
from realtime.tickets.qr import QUIET_ZONE, qr_png
from realtime.tickets.text import shown as in_the_language
from realtime.tickets.token import PublicKeys, derive_key, verify
from realtime.tickets.view import ticket_view
from realtime.tickets.words import WORDS, Words
from tests.tickets.pages import boxes_of, fonts_of, page_sizes_mm, page_text, qr_codes
from tests.tickets.samples import (
    NAMES_HI,
    ONE_PRICE,
    SECRET,
    TEN_PRICES,
    TEN_SEATS,
    hindi_ticket,
    ticket,
    ticket_with_names,
    token_of,
)

papers = pytest.mark.parametrize("paper", list(Paper))
tickets = pytest.mark.parametrize(
    "shown",
    [ticket(), ticket(seats=TEN_SEATS, price=TEN_PRICES), hindi_ticket(), hindi_ticket(TEN_SEATS, TEN_PRICES)],
    ids=["one seat", "ten seats", "one seat, Hindi", "ten seats, Hindi"],
)


@pytest.fixture(scope="module")
def printer() -> TicketPrinter:
    return TicketPrinter()


@papers
@tickets
def test_a_gate_reads_the_qr_code_and_accepts_it(printer: TicketPrinter, shown: Ticket, paper: Paper) -> None:
    pdf = printer.pdf(shown, token_of(shown), paper)
    (found,) = qr_codes(pdf, dots_per_mm=8)  # 203 dpi, the resolution of kiosk printers
    claims = verify(found.text, PublicKeys.of([derive_key(SECRET, "west")]))
    assert (claims.code, claims.seat_count) == (shown.code, len(shown.seats))


@papers
def test_the_qr_code_is_at_least_30_mm_wide_in_a_white_frame(printer: TicketPrinter, paper: Paper) -> None:
    (found,) = qr_codes(printer.pdf(ticket(), token_of(ticket()), paper), dots_per_mm=8)
    corners = found.position
    width_mm = (corners.top_right.x - corners.top_left.x) / 8
    assert width_mm >= 35
    module_mm = width_mm / 45
    assert module_mm * QUIET_ZONE >= 3


@papers
@tickets
def test_every_seat_and_the_code_are_on_the_ticket(printer: TicketPrinter, shown: Ticket, paper: Paper) -> None:
    text = page_text(printer.pdf(shown, token_of(shown), paper))
    for seat in shown.seats:
        assert seat.section in text
        assert re.search(rf"\b{seat.row}\b", text)
        assert re.search(rf"\b{seat.number}\b", text)
    assert "WDJB-MJHT" in text
    assert shown.booking in text.replace(" ", "")


@papers
def test_the_ticket_says_what_when_where_and_for_whom(printer: TicketPrinter, paper: Paper) -> None:
    text = page_text(printer.pdf(ticket(), token_of(ticket()), paper))
    for part in (
        "Hamlet",
        "Saturday, 12 December 2026",
        "7:30 PM",
        "Doors open 6:45 PM",
        "Prithvi Theatre",
        "20 Janki Kutir, Juhu Church Road, Mumbai",
        "Asha Kulkarni",
    ):
        assert part in text


@papers
def test_names_are_in_the_language_of_the_ticket(printer: TicketPrinter, paper: Paper) -> None:
    shown = ticket_with_names()
    # What the page says: text of shaped Devanagari can't be read back letter by letter from a PDF.
    view = ticket_view(shown, "")
    assert (view.title, view.theatre, view.place) == (
        "हैमलेट",
        "पृथ्वी थिएटर",
        "20 Janki Kutir, Juhu Church Road, मुंबई",
    )
    assert [(group.section, group.category) for group in view.groups] == [("स्टॉल", "गोल्ड")]
    assert view.invoice is not None and [line.item for line in view.invoice.lines] == [
        "टिकट, गोल्ड",
        "बुकिंग शुल्क, गोल्ड",
    ]
    text = page_text(printer.pdf(shown, token_of(shown), paper))
    assert not [name for name in NAMES_HI if name in text]


@papers
def test_the_invoice_has_taxable_values_rates_and_halves_of_the_tax(printer: TicketPrinter, paper: Paper) -> None:
    shown = ticket(seats=TEN_SEATS, price=TEN_PRICES)
    text = page_text(printer.pdf(shown, token_of(shown), paper))
    for part in (
        "Tax invoice",
        "GSTIN 27AAACP1234F1Z5",
        "26 November 2026",
        "Ticket, Platinum",
        "Booking fee, Platinum",
        "12,500.50",
        "75,003.00",
        "CGST",
        "SGST",
        "9 % 6,750.27",
        "2.5 % 5.00",
        "80,328.18",
        "7,216.55",
        "₹94,761.28",
    ):
        assert part in text


def test_the_halves_of_an_odd_tax_add_up(printer: TicketPrinter) -> None:
    text = page_text(printer.pdf(ticket(), token_of(ticket())))
    assert "61.42" in text
    assert "61.43" in text
    assert "₹805.35" in text


def test_a_seller_of_another_state_charges_one_tax(printer: TicketPrinter) -> None:
    shown = ticket(seller=Seller("Touring Co.", "07AAACP1234F1Z5", interstate=True))
    text = page_text(printer.pdf(shown, token_of(shown)))
    assert "IGST" in text
    assert "18 % 117.00" in text
    assert "CGST" not in text


@papers
def test_a_seller_without_gstin_issues_a_receipt(printer: TicketPrinter, paper: Paper) -> None:
    untaxed = replace(ONE_PRICE, lines=(replace(ONE_PRICE.lines[0], rate=0, tax=0),))
    shown = ticket(seller=Seller("A school"), price=untaxed)
    text = page_text(printer.pdf(shown, token_of(shown), paper))
    assert "Receipt" in text
    assert "GST" not in text
    assert "₹650.00" in text


@papers
def test_optional_parts_are_left_out(printer: TicketPrinter, paper: Paper) -> None:
    shown = replace(ticket(address="", holder="", price=None, seller=Seller("")), doors_at=None)
    text = page_text(printer.pdf(shown, token_of(shown), paper))
    for absent in ("Doors", "Name", "invoice", "Receipt", "₹"):
        assert absent not in text
    assert "Prithvi Theatre Mumbai" in text


@papers
def test_hindi_is_shaped_by_its_font(printer: TicketPrinter, paper: Paper) -> None:
    pdf = printer.pdf(hindi_ticket(), token_of(hindi_ticket()), paper)
    assert set(fonts_of(pdf)) == {"NotoSans-Regular", "NotoSans-Bold"}
    # In क्ल the first letter and the sign below it become one glyph, a half form. Without shaping they stay two.
    letter, virama = boxes_of(pdf, "क्लासिक")[:2]
    assert letter == virama
    text = page_text(pdf)
    assert "शनिवार, 12 दिसंबर 2026" in text
    assert "कर बीजक" in text


@papers
@pytest.mark.parametrize(
    "title",
    [
        '#set page(fill: red); #panic("evaluated")',
        "$x^2$ *bold* _it_ `raw` = heading",
        "@reference <label> // comment /* open",
        '"); #read("/etc/passwd") //',
        "\\u{0} \\ # [ ] { } ~ --",
    ],
)
def test_markup_in_a_title_is_text(printer: TicketPrinter, title: str, paper: Paper) -> None:
    shown = ticket(title=title)
    text = page_text(printer.pdf(shown, token_of(shown), paper))
    assert title.replace(" ", "") in text.replace(" ", "")


@papers
@pytest.mark.parametrize(
    "title",
    [
        "W" * 200,
        "सत्यमेवजयते" * 18,
        "\u202eevil\u2066 title\u200f",
        "نص عربي " * 20,
        "\0\x07\x1b[31mred\r\n\t new line\ud800",
        "🎭 " * 100,
        "",
        "e\u0301" * 100,
    ],
    ids=["long word", "long Hindi word", "direction controls", "Arabic", "controls", "emoji", "empty", "combining"],
)
def test_no_title_pushes_the_qr_code_off_the_page(printer: TicketPrinter, title: str, paper: Paper) -> None:
    shown = ticket(title=title, theatre=title, holder=title)
    pdf = printer.pdf(shown, token_of(shown), paper)
    assert len(qr_codes(pdf, dots_per_mm=8)) == 1
    assert len(page_sizes_mm(pdf)) <= 2
    assert not set("\u202e\u2066\u200f") & set(page_text(pdf))


@papers
def test_the_longest_labels_stay_on_the_paper(printer: TicketPrinter, paper: Paper) -> None:
    seats = tuple(TicketSeat("S" * 64, "R" * 64, f"{n}" * 64, "C" * 64, accessible=True) for n in range(10))
    shown = ticket(seats=seats)
    pdf = printer.pdf(shown, token_of(shown), paper)
    text = page_text(pdf).replace(" ", "")
    for n in range(10):
        assert f"{n}" * 64 in text
    assert len(page_sizes_mm(pdf)) <= 2


def test_papers_have_their_sizes(printer: TicketPrinter) -> None:
    shown = ticket(seats=TEN_SEATS, price=TEN_PRICES)
    assert page_sizes_mm(printer.pdf(shown, token_of(shown))) == [pytest.approx((210, 297), abs=0.5)]
    ((width, height),) = page_sizes_mm(printer.pdf(shown, token_of(shown), Paper.ROLL))
    assert width == pytest.approx(80, abs=0.1)
    assert 150 < height < 400


def test_the_same_ticket_gives_the_same_bytes(printer: TicketPrinter) -> None:
    token = token_of(ticket())
    assert printer.pdf(ticket(), token) == TicketPrinter().pdf(ticket(), token)


def test_threads_share_a_printer(printer: TicketPrinter) -> None:
    drawn: dict[str, bytes] = {}

    def draw(title: str) -> None:
        drawn[title] = printer.pdf(ticket(title=title), token_of(ticket()))

    threads = [threading.Thread(target=draw, args=(f"Play {n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(title in page_text(pdf) for title, pdf in drawn.items())
    assert len(drawn) == 8


def test_a_missing_font_is_named(tmp_path: Path) -> None:
    with pytest.raises(PrinterError, match=r"the font Noto Sans is missing in .*: run `make install`"):
        TicketPrinter(tmp_path)


def test_a_ticket_needs_seats_a_code_and_offsets() -> None:
    with pytest.raises(ValueError, match="0 seats"):
        ticket(seats=())
    with pytest.raises(ValueError, match="11 seats"):
        ticket(seats=(*TEN_SEATS, TEN_SEATS[0]))
    with pytest.raises(ValueError, match="code"):
        replace(ticket(), code="ABCDEFGH")
    with pytest.raises(ValueError, match="booking id"):
        replace(ticket(), booking="west-eros\r\nX: 1")
    with pytest.raises(ValueError, match="offset"):
        replace(ticket(), starts_at=ticket().starts_at.replace(tzinfo=None))


def test_the_png_for_mails_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "qr.png").write_bytes(qr_png(token_of(ticket())))
    page = tmp_path / "page.typ"
    page.write_text('#set page(width: 60mm, height: 60mm)\n#image("qr.png", width: 40mm)')
    pdf = typst.compile(page, root=tmp_path, format="pdf")
    (found,) = qr_codes(pdf, dots_per_mm=8)
    assert found.text == token_of(ticket())


def test_languages_are_complete() -> None:
    for field in fields(Words):
        english, hindi = (getattr(WORDS[locale], field.name) for locale in Locale)
        assert hindi
        assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", hindi)), field.name


def test_the_number_of_a_block_follows_the_name_of_its_section_in_the_other_language() -> None:
    assert in_the_language(ticket_with_names(), "Stalls (2)", "Box (1)") == "स्टॉल (2), Box (1)"
