"""Drawing labels, packing slips and pick lists, in the language of who prints them."""

from collections.abc import Callable, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from reportlab.lib.pagesizes import A4, A5
from reportlab.lib.units import mm

from logistics.printing.contents import Goods, Label, PickList, Slip
from logistics.printing.sheet import Sheet

# Of labels, in millimetres: width and height.
SIZES = {"76x130": (76, 130), "100x180": (100, 180)}
_NARROW = 76


def draw_labels(labels: Sequence[Label], size: str) -> bytes:
    """A page for each label, of a size of SIZES."""
    width, height = SIZES[size]
    sheet = Sheet((width * mm, height * mm), margin=3 * mm, title=_("Waybill labels"))
    for number, label in enumerate(labels):
        if number:
            sheet.next_page()
        _label(sheet, label, width / _NARROW)
    return sheet.close()


def draw_slips(slips: Sequence[Slip]) -> bytes:
    """Each slip on pages of its own, A5."""
    sheet = Sheet(A5, margin=10 * mm, title=_("Packing slips"))
    for number, slip in enumerate(slips):
        if number:
            sheet.next_page()
        _slip(sheet, slip)
    return sheet.close()


def draw_pick_lists(lists: Sequence[PickList]) -> bytes:
    """Each list on pages of its own, A4."""
    sheet = Sheet(A4, margin=12 * mm, title=_("Pick lists"))
    for number, one in enumerate(lists):
        if number:
            sheet.next_page()
        _pick_list(sheet, one)
    return sheet.close()


def _print_mark(copy: int) -> str:
    return _("First print") if copy == 1 else _("Copy, print %(number)s") % {"number": copy}


def _label(sheet: Sheet, label: Label, scale: float) -> None:
    small, middle, large = 6.5 * scale, 8.5 * scale, 13 * scale
    sheet.write_ends(label.carrier, _print_mark(label.copy), large, small)
    sheet.rule()
    piece = _("Consignment %(piece)s/%(pieces)s") if label.mother else _("Piece %(piece)s/%(pieces)s")
    sheet.write_ends(label.mark, piece % {"piece": label.piece, "pieces": label.pieces}, 11 * scale, middle)
    if label.sorting_code:
        sheet.write(label.sorting_code, large)
    sheet.rule()
    sheet.skip(1 * mm)
    sheet.barcode(label.waybill, height=15 * mm * scale, size=10 * scale)
    if label.mother and label.mother != label.waybill:
        sheet.write(_("Mother waybill: %(waybill)s") % {"waybill": label.mother}, small)
    sheet.rule()
    to = _("To: %(name)s %(phone)s") % {"name": label.recipient.name, "phone": label.recipient.phone}
    sheet.write_ends(to, _("Cash on delivery") if label.is_cod else "", 10 * scale, middle)
    sheet.write(label.recipient.region + label.recipient.address, middle, most=4)
    sheet.rule()
    sheet.write(_("From: %(name)s") % {"name": label.sender}, small, most=2)
    sheet.write(label.sender_region, small)
    sheet.rule()
    weight = f"{label.weight_g / 1000:.2f} kg" if label.weight_g else ""
    sheet.write_ends(label.part, weight, small)
    _label_goods(sheet, label.goods, small)


def _label_goods(sheet: Sheet, goods: Sequence[Goods], size: float) -> None:
    """As many articles as there is room for; how many more there are."""
    for number, article in enumerate(goods):
        if sheet.room < 4 * size:
            rest = goods[number:]
            values = {"articles": len(rest), "units": sum(one.quantity for one in rest)}
            sheet.write(_("and %(articles)s more articles, %(units)s units") % values, size)
            return
        sheet.write_ends(f"{article.code} {article.name}", f"× {article.quantity}", size)


def _slip(sheet: Sheet, slip: Slip) -> None:
    sheet.write_ends(_("Packing slip"), _print_mark(slip.copy), 16, 8)
    sheet.skip(2 * mm)
    sheet.barcode(slip.numbers[0], height=10 * mm, size=8)
    values = {"numbers": " ".join(slip.orders)}
    sheet.write(_("Orders: %(numbers)s") % values, 8, most=6)
    if len(slip.numbers) > 1:
        sheet.write(_("Merged of: %(numbers)s") % {"numbers": " ".join(slip.numbers)}, 8, most=6)
    sheet.write(_("Warehouse: %(warehouse)s") % {"warehouse": slip.warehouse}, 8)
    to = slip.recipient
    sheet.write(_("To: %(name)s %(phone)s") % {"name": to.name, "phone": to.phone}, 10)
    sheet.write(to.region + to.address, 10, most=3)
    _goods_table(sheet, slip.goods, 8, _PACKED)


def _pick_list(sheet: Sheet, one: PickList) -> None:
    sheet.write_ends(_("Pick list"), one.warehouse, 18, 10)
    if one.wave:
        sheet.barcode(one.wave, height=10 * mm, size=10)
    _goods_table(sheet, one.goods, 10, _PICKED)
    sheet.skip(3 * mm)
    works = ", ".join(number if copy == 1 else f"{number} ({_print_mark(copy)})" for number, copy in one.works)
    text = _("%(count)s warehouse orders: %(numbers)s") % {"count": len(one.works), "numbers": works}
    _long_text(sheet, text, 8)


# The columns of goods, each with its head, its text and its share of the width; the last one stands at the right.
_Columns = Sequence[tuple[Any, Callable[[Goods], str], float]]
_PACKED: _Columns = (
    (gettext_lazy("SKU"), lambda article: article.code, 0.22),
    (gettext_lazy("Article"), lambda article: article.name, 0.45),
    (gettext_lazy("Barcode"), lambda article: article.barcode or "–", 0.21),
    (gettext_lazy("Units"), lambda article: str(article.quantity), 0.12),
)
# Who picks goes by the bins.
_PICKED: _Columns = (
    (gettext_lazy("Bin"), lambda article: article.bin or "–", 0.14),
    (gettext_lazy("SKU"), lambda article: article.code, 0.2),
    (gettext_lazy("Article"), lambda article: article.name, 0.36),
    (gettext_lazy("Barcode"), lambda article: article.barcode or "–", 0.2),
    (gettext_lazy("Units"), lambda article: str(article.quantity), 0.1),
)


def _goods_table(sheet: Sheet, goods: Sequence[Goods], size: float, columns: _Columns) -> None:
    """All articles, over as many pages as they need, and the sum."""
    _goods_head(sheet, size, columns)
    for article in goods:
        if sheet.room < 3 * size:
            sheet.next_page()
            _goods_head(sheet, size, columns)
        sheet.write_row(_row(columns, [text(article) for _head, text, _share in columns]), size)
        if article.slots:
            slots = " ".join(f"{slot}×{units}" for slot, units in article.slots)
            _long_text(sheet, _("Boxes: %(slots)s") % {"slots": slots}, size * 0.8)
    sheet.rule()
    values = {"articles": len(goods), "units": sum(article.quantity for article in goods)}
    sheet.write_ends(_("%(articles)s articles") % values, _("%(units)s units") % values, size)


def _goods_head(sheet: Sheet, size: float, columns: _Columns) -> None:
    sheet.skip(1 * mm)
    sheet.write_row(_row(columns, [str(head) for head, _text, _share in columns]), size, most=1)
    sheet.rule()


def _row(columns: _Columns, texts: Sequence[str]) -> list[tuple[str, float, bool]]:
    last = len(columns) - 1
    return [(text, columns[place][2], place == last) for place, text in enumerate(texts)]


def _long_text(sheet: Sheet, text: str, size: float) -> None:
    for line in sheet.lines(text, size):
        if sheet.room < 2 * size:
            sheet.next_page()
        sheet.write(line, size)
