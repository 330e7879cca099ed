"""A statement as a workbook: a summary, the rows, and what they correct."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from io import BytesIO

from django.http import HttpResponse
from django.utils.translation import gettext as _

from oms.common.files.tables import XlsxWriter
from payments.models import RowKind, SettlementRow, Statement


def workbook(statement: Statement) -> bytes:
    """The statement's workbook (xlsx), in the active language: three sheets, as the settlement rules lay it out."""
    rows = list(
        SettlementRow.objects.filter(statement=statement)
        .select_related("order", "sub_order", "line__sku", "corrects__statement")
        .order_by("id")
    )
    file = BytesIO()
    book = XlsxWriter(file, [_("Item"), _("Rows"), _("Amount")], _("Summary"))
    for summary in _summary(statement, rows):
        book.write(summary)
    book.sheet(
        [
            *(_("Kind"), _("Order"), _("Sub-order"), _("SKU"), _("Units"), _("Goods"), _("Borne by the platform")),
            *(_("Freight"), _("Commission rate"), _("Commission"), _("Other"), _("Net"), _("Due on"), _("Reason")),
        ],
        _("Rows"),
    )
    for row in rows:
        book.write(
            [
                row.get_kind_display(),
                row.order.number if row.order else "",
                row.sub_order.number if row.sub_order else "",
                row.line.sku.code if row.line else "",
                row.quantity,
                row.goods_amount,
                row.platform_amount,
                row.freight_amount,
                f"{row.rate:.4f}",
                row.commission_amount,
                row.other_amount,
                row.net_amount,
                row.due_on.isoformat(),
                row.reason,
            ]
        )
    book.sheet([_("Kind"), _("Net"), _("Corrects"), _("Of statement"), _("Reason"), _("Document")], _("Corrections"))
    for row in rows:
        if row.corrects or row.kind == RowKind.CORRECTION:
            first = row.corrects
            number = first.statement.number if first and first.statement else ""
            book.write(
                [row.get_kind_display(), row.net_amount, first.key if first else "", number, row.reason, row.document]
            )
    book.close()
    return file.getvalue()


def workbook_answer(statement: Statement) -> HttpResponse:
    """The workbook to download."""
    answer = HttpResponse(
        workbook(statement), content_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    )
    answer["Content-Disposition"] = f'attachment; filename="{statement.number}.xlsx"'
    return answer


def _summary(statement: Statement, rows: Iterable[SettlementRow]) -> Iterable[list[object]]:
    counts: dict[str, int] = defaultdict(int)
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        counts[row.kind] += 1
        sums[row.kind] += row.net_amount
    yield [_("Merchant"), "", str(statement.merchant)]
    yield [_("Statement number"), "", statement.number]
    yield [_("Period"), "", f"{statement.starts_on} – {statement.ends_on}"]
    yield [_("Carried over"), "", statement.opening_amount]
    for kind in RowKind:
        if counts[kind]:
            yield [kind.label, counts[kind], sums[kind]]
    yield [_("Total"), statement.row_count, statement.total_amount]
    yield [_("To pay"), "", statement.payable_amount]
    yield [_("Hash of the rows"), "", statement.row_hash]
