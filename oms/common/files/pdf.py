"""Chinese text in PDFs: the embedded font, what it lacks, and lines that fit."""

from functools import cache
from pathlib import Path

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

FONT = "NotoSansSC"
# Simplified and traditional Chinese, extension A, and the rarer characters of the table for names (通用规范汉字表).
_PATH = Path(__file__).parent / "fonts" / "NotoSansSC-Regular.ttf"


@cache
def _font() -> TTFont:
    known = TTFont(FONT, str(_PATH))
    pdfmetrics.registerFont(known)
    return known


def font() -> str:
    """The name of the embedded font, made known once a process (about a second)."""
    _font()
    return FONT


def printable(text: str) -> str:
    """The text in one line; what the font has no glyph for stands as its code, such as [U+20BB7], never as a box."""
    known = _font().face.charToGlyph
    return "".join(letter if ord(letter) in known else f"[U+{ord(letter):04X}]" for letter in " ".join(text.split()))


def wrapped(text: str, size: float, width: float, most: int) -> list[str]:
    """The text in at most `most` lines of `size` points that are no wider than `width` points; what is too much ends
    in an ellipsis."""
    clean, known = printable(text), _font()
    lines, line = [], ""
    for letter in clean:
        if line and known.stringWidth(line + letter, size) > width:
            lines.append(line)
            line = letter.lstrip()
        else:
            line += letter
    lines.append(line)
    if len(lines) > most:
        lines = lines[:most]
        while lines[-1] and known.stringWidth(lines[-1] + "…", size) > width:
            lines[-1] = lines[-1][:-1]
        lines[-1] += "…"
    return lines
