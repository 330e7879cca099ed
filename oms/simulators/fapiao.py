"""The document of a pretended invoice: a plain statement that says on its face that it is none."""

from io import BytesIO
from typing import Any

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from oms.common.files import pdf
from oms.simulators.bureau import Fapiao

TITLE = "发票（示例，非税务凭证）"
_COLUMNS = ("项目名称", "数量", "单价", "金额", "税率", "税额", "价税合计")


def draw(invoice: Fapiao) -> bytes:
    """The PDF of an issued invoice."""
    font, order = pdf.font(), invoice.order
    text = ParagraphStyle("text", fontName=font, fontSize=9, leading=13)
    title = ParagraphStyle("title", fontName=font, fontSize=16, leading=24, alignment=1)
    kind = "增值税专用发票" if order["invoiceLine"] == "bs" else "普通发票"
    red = f"（红字，对应蓝票 {invoice.of.official}）" if invoice.of else ""
    table = Table([_COLUMNS, *([*_row(line, text)] for line in invoice.lines), _total(invoice)], repeatRows=1)
    table.setStyle(
        TableStyle(
            [
                ("FONT", (0, 0), (-1, -1), font, 9),
                ("GRID", (0, 0), (-1, -1), 0.4, colors.grey),
                ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
                ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
            ]
        )
    )
    out = BytesIO()
    page = SimpleDocTemplate(out, pagesize=landscape(A4), title=invoice.official, author="OMS")
    page.build(
        [
            Paragraph(TITLE, title),
            Paragraph(f"电子发票（{kind}）{red}　发票号码：{invoice.official}", text),
            Paragraph(f"购买方：{order.get('buyerName', '')}　{order.get('buyerTaxNum', '')}", text),
            Paragraph(f"销售方：{order.get('salerTaxNum', '')}　备注：{order.get('remark', '')}", text),
            Spacer(1, 8),
            table,
        ]
    )
    return out.getvalue()


def _row(line: dict[str, Any], text: ParagraphStyle) -> list[Any]:
    return [
        Paragraph(line["goodsName"].replace("&", "&amp;").replace("<", "&lt;"), text),
        *(line.get("num", ""), line.get("price", ""), line["taxExcludedAmount"]),
        *(f"{float(line['taxRate']) * 100:g}%", line["tax"], line["taxIncludedAmount"]),
    ]


def _total(invoice: Fapiao) -> list[str]:
    sums = [str(invoice.sum(name)) for name in ("taxExcludedAmount", "tax", "taxIncludedAmount")]
    return ["合计", "", "", sums[0], "", sums[1], sums[2]]
