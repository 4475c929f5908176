"""Reads PDFs back as a person would: their text, their pages as pictures, the QR code in a picture."""

from __future__ import annotations

import re

import pypdfium2
import zxingcpp

POINTS_PER_MM = 72 / 25.4


def page_text(pdf: bytes) -> str:
    """Return the text of all pages, runs of white space as one space, without the breaks inside long words."""
    with pypdfium2.PdfDocument(pdf) as document:
        text = " ".join(page.get_textpage().get_text_range() for page in document)
    return re.sub(r"\s+", " ", text.replace("\u200b", "").replace("\ufffe", ""))


def page_sizes_mm(pdf: bytes) -> list[tuple[float, float]]:
    with pypdfium2.PdfDocument(pdf) as document:
        return [(page.get_width() / POINTS_PER_MM, page.get_height() / POINTS_PER_MM) for page in document]


def qr_codes(pdf: bytes, dots_per_mm: float) -> list[zxingcpp.Barcode]:
    """Return the QR codes on the first page, as printed or shown at a resolution."""
    with pypdfium2.PdfDocument(pdf) as document:
        picture = document[0].render(scale=dots_per_mm / POINTS_PER_MM, grayscale=True)
        pixels = memoryview(bytes(picture.buffer)).cast("B", (picture.height, picture.stride))
        return list(zxingcpp.read_barcodes(pixels, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)))


def fonts_of(pdf: bytes) -> list[str]:
    """Return the fonts of the first page's texts, without the tags of their subsets."""
    with pypdfium2.PdfDocument(pdf) as document:
        texts = [item for item in document[0].get_objects() if isinstance(item, pypdfium2.PdfTextObj)]
        return [text.get_font().get_base_name().partition("+")[2] for text in texts]


def boxes_of(pdf: bytes, word: str) -> list[tuple[float, ...]]:
    """Return where each character of the first ``word`` on the first page is drawn."""
    with pypdfium2.PdfDocument(pdf) as document:
        text = document[0].get_textpage()
        start = text.get_text_range().index(word)
        return [text.get_charbox(place) for place in range(start, start + len(word))]
