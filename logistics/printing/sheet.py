"""A page that is written from top to bottom."""

from collections.abc import Sequence
from io import BytesIO

from reportlab.graphics.barcode.code128 import Code128
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from oms.common.files import pdf

# Of a bar of a short number; longer ones get narrower bars.
_WIDE_BAR = 0.5 * mm
# Of a usual label printer (203 dots an inch): bars of whole dots are printed as wide as they were meant.
_DOT = 72 / 203
# Between lines, of the size of their letters.
_LEADING = 1.3


class Sheet:
    """Pages of one size in one PDF, with a place on the page that goes down; lengths in points."""

    def __init__(self, size: tuple[float, float], *, margin: float, title: str) -> None:
        """Begin with an empty page."""
        self._out = BytesIO()
        self._canvas = Canvas(self._out, pagesize=size)
        self._canvas.setTitle(title)
        self._width, self._height, self._margin = *size, margin
        self._font = pdf.font()
        self._y = self._height - margin

    @property
    def inner_width(self) -> float:
        """Of the page between its margins."""
        return self._width - 2 * self._margin

    @property
    def room(self) -> float:
        """How much is left of the page."""
        return self._y - self._margin

    def next_page(self) -> None:
        """Go on with an empty page."""
        self._canvas.showPage()
        self._y = self._height - self._margin

    def close(self) -> bytes:
        """The PDF."""
        self._canvas.save()
        return self._out.getvalue()

    def lines(self, text: str, size: float) -> list[str]:
        """The text as lines of the page's width, however many."""
        return pdf.wrapped(text, size, self.inner_width, len(text) + 1)

    def write(self, text: str, size: float, *, most: int = 1, width: float | None = None) -> None:
        """The text from the left in at most `most` lines."""
        for line in pdf.wrapped(text, size, width or self.inner_width, most):
            self._y -= size * _LEADING
            self._put(line, size, self._margin, self._y)

    def write_ends(self, left: str, right: str, size: float, right_size: float | None = None) -> None:
        """A line with a text at each end; the left one is cut where they would meet."""
        right_size = right_size or size
        self._y -= max(size, right_size) * _LEADING
        space = self.inner_width - self._put_right(right, right_size) - size / 2
        self._put(pdf.wrapped(left, size, space, 1)[0], size, self._margin, self._y)

    def write_row(self, cells: Sequence[tuple[str, float, bool]], size: float, *, most: int = 2) -> None:
        """A row of a table: texts, each with its share of the width and whether it stands at the right."""
        wrapped = [pdf.wrapped(text, size, share * self.inner_width - size / 2, most) for text, share, _right in cells]
        top, x = self._y, self._margin
        for (_text, share, is_right), lines in zip(cells, wrapped, strict=True):
            width = share * self.inner_width
            for number, line in enumerate(lines, 1):
                y = top - number * size * _LEADING
                start = x + width - self._canvas.stringWidth(line, self._font, size) if is_right else x
                self._put(line, size, start, y)
            x += width
        self._y = top - max(len(lines) for lines in wrapped) * size * _LEADING

    def rule(self, *, gap: float = 1.2 * mm) -> None:
        """A line across, with a gap above and below."""
        self._y -= gap
        self._canvas.setLineWidth(0.6)
        self._canvas.line(self._margin, self._y, self._width - self._margin, self._y)
        self._y -= gap / 2

    def barcode(self, value: str, *, height: float, size: float) -> None:
        """The value as Code 128 in the middle, and below it in letters of `size`."""
        modules = Code128(value, barWidth=1, barHeight=height, quiet=False).width
        # Ten modules stay white at each side.
        bar = min(_WIDE_BAR, self.inner_width / (modules + 20))
        bar = bar // _DOT * _DOT or bar
        code = Code128(value, barWidth=bar, barHeight=height, quiet=False)
        self._y -= height
        code.drawOn(self._canvas, (self._width - code.width) / 2 // _DOT * _DOT, self._y)
        self._y -= size * _LEADING
        self._canvas.setFont(self._font, size)
        self._canvas.drawCentredString(self._width / 2, self._y, pdf.printable(value))

    def skip(self, length: float) -> None:
        """Leave room."""
        self._y -= length

    def _put(self, text: str, size: float, x: float, y: float) -> None:
        self._canvas.setFont(self._font, size)
        self._canvas.drawString(x, y, text)

    def _put_right(self, text: str, size: float) -> float:
        """Write it at the right end of the line, and say how wide it is."""
        clean = pdf.printable(text)
        self._canvas.setFont(self._font, size)
        self._canvas.drawRightString(self._width - self._margin, self._y, clean)
        return float(self._canvas.stringWidth(clean, self._font, size))
