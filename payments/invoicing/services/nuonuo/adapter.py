"""What the OMS asks of 诺诺: invoices, their results, and confirmations of red letters."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from oms.common.models import Connection
from oms.common.tax import TaxMark
from oms.common.work.singly import Unclear
from oms.common.zones import CHINA
from payments.invoicing.services import Row, Said, Standing, Submission
from payments.invoicing.services.nuonuo import wire
from payments.providers.errors import Refused

REQUEST = "nuonuo.OpeMplatform.requestBillingNew"
QUERY = "nuonuo.OpeMplatform.queryInvoiceResult"
SEAL_AGAIN = "nuonuo.OpeMplatform.reInvoice"
CONFIRM = "nuonuo.OpeMplatform.saveInvoiceRedConfirm"
QUERY_CONFIRMATION = "nuonuo.OpeMplatform.queryInvoiceRedConfirm"
ISSUED, ISSUING, SEALING, FAILED, NOT_SEALED = "2", "20", "21", "22", "24"
# Its reasons are not the bureau's: 1 came back, 2 made out wrongly.
_REASONS = {"01": "2", "02": "1", "03": "3", "04": "4"}
# States of a confirmation: nobody need confirm it, or both did; somebody must still, or it is being entered.
CONFIRMED, WAITING = frozenset({"01", "04"}), frozenset({"02", "03", "15"})
_ZERO_RATE = {TaxMark.EXEMPT: "1", TaxMark.UNTAXED: "2", TaxMark.ZERO: "3"}
_FAVOURED = {TaxMark.EXEMPT: "03", TaxMark.UNTAXED: "04"}


class Nuonuo:
    """See `payments.invoicing.services.InvoiceService`."""

    def submit(self, submission: Submission, link: Connection) -> Said:
        """Ask for an invoice: a code of success means that it has the request, not that it is issued."""
        try:
            wire.call(link, REQUEST, {"order": _order(submission)}, seller=submission.seller.tax_number)
        except Refused as refusal:
            # It has that number already: from us, before an answer was lost.
            if refusal.code != wire.DUPLICATE:
                return Said(Standing.FAILED, str(refusal))
        return Said(Standing.ACCEPTED)

    def find(self, number: str, link: Connection) -> Said:
        """How an invoice stands; one that could not be sealed is sealed again."""
        try:
            found = wire.call(link, QUERY, {"orderNos": [number], "isOfferInvoiceDetail": "0"})
        except Refused as refusal:
            if refusal.code == wire.NOT_FOUND:
                return Said(Standing.MISSING)
            raise Unclear(str(refusal)) from refusal
        mine = [one for one in found or [] if one.get("orderNo") == number]
        return self._standing(mine[0], link) if mine else Said(Standing.MISSING)

    def _standing(self, one: Mapping[str, Any], link: Connection) -> Said:
        status = str(one.get("status", ""))
        if status == ISSUED:
            official = str(one.get("allElectronicInvoiceNumber") or one.get("invoiceNo") or "")
            if not official or not one.get("invoiceTime"):
                raise Unclear("an issued invoice without number or time")
            at = datetime.fromtimestamp(int(one["invoiceTime"]) / 1000, UTC)
            return Said(Standing.ISSUED, "", official, at, str(one.get("pdfUrl") or ""))
        if status == FAILED:
            return Said(Standing.FAILED, str(one.get("failCause") or one.get("statusMsg") or ""))
        if status == NOT_SEALED:
            numbers = {"fpqqlsh": str(one.get("serialNo", "")), "orderno": str(one.get("orderNo", ""))}
            try:
                wire.call(link, SEAL_AGAIN, numbers)
            except Refused as refusal:
                raise Unclear(str(refusal)) from refusal
        return Said(Standing.WAITING)

    def confirm(self, submission: Submission, link: Connection) -> Said:
        """Enter the confirmation of a red letter; electronic invoices are then issued by themselves."""
        try:
            wire.call(link, CONFIRM, _confirmation(submission), seller=submission.seller.tax_number)
        except Refused as refusal:
            if refusal.code != wire.DUPLICATE:
                return Said(Standing.FAILED, str(refusal))
        return Said(Standing.CONFIRMING, confirmation="15")

    def find_confirmation(self, number: str, link: Connection) -> Said:
        """How a confirmation stands."""
        try:
            found = wire.call(link, QUERY_CONFIRMATION, {"identity": "0", "billId": number})
        except Refused as refusal:
            if refusal.code == wire.NOT_FOUND:
                return Said(Standing.MISSING)
            raise Unclear(str(refusal)) from refusal
        rows = (found or {}).get("list") or []
        if not rows:
            return Said(Standing.MISSING)
        state = str(rows[0].get("billStatus", "")).zfill(2)
        if state in CONFIRMED:
            return Said(Standing.ACCEPTED, confirmation=state)
        if state in WAITING:
            return Said(Standing.CONFIRMING, confirmation=state)
        return Said(Standing.FAILED, str(rows[0].get("billMessage") or ""), confirmation=state)

    def download(self, address: str, link: Connection) -> bytes:
        """The PDF."""
        return wire.fetch(link, address)


def _order(asked: Submission) -> dict[str, Any]:
    seller, buyer = asked.seller, asked.buyer
    order = {
        "orderNo": asked.number,
        "invoiceDate": f"{datetime.now(CHINA):%Y-%m-%d %H:%M:%S}",
        "invoiceType": "1",
        "invoiceLine": _line(asked),
        # We mail it ourselves.
        "pushMode": "-1",
        "buyerName": buyer.title,
        "buyerTaxNum": buyer.tax_number,
        "buyerAddress": buyer.address,
        "buyerTel": buyer.phone,
        "buyerAccount": buyer.bank,
        "salerTaxNum": seller.tax_number,
        "salerAddress": seller.address,
        "salerTel": seller.phone,
        "salerAccount": seller.bank,
        "clerk": seller.clerk,
        "remark": asked.remark,
        "invoiceDetail": [_detail(row) for row in asked.rows],
    }
    return {name: value for name, value in order.items() if value != ""}


def _line(asked: Submission) -> str:
    return "bs" if asked.is_special else "pc"


def _detail(row: Row) -> dict[str, str]:
    detail = {
        "goodsName": row.name,
        "goodsCode": row.tax_code,
        "withTaxFlag": "0",
        "invoiceLineProperty": str(row.property),
        "taxRate": _rate(row.tax_rate),
        "taxExcludedAmount": f"{row.net:.2f}",
        "tax": f"{row.tax:.2f}",
        "taxIncludedAmount": f"{row.gross:.2f}",
        **_marks(row),
    }
    if row.quantity:
        detail |= {"num": str(row.quantity), "price": _price(row)}
    return detail


def _confirmation(asked: Submission) -> dict[str, Any]:
    content: dict[str, Any] = {
        "billId": asked.number,
        "orderNo": asked.number,
        "blueInvoiceLine": _line(asked),
        "applySource": "0",
        "blueElecInvoiceNumber": asked.blue_number,
        "sellerTaxNo": asked.seller.tax_number,
        "sellerName": asked.seller.name,
        "buyerName": asked.buyer.title,
        "redReason": _REASONS[asked.red_reason],
        "autoInvoice": "1",
    }
    if asked.buyer.tax_number:
        content["buyerTaxNo"] = asked.buyer.tax_number
    if not asked.is_whole:
        content["detail"] = [_red_detail(row) for row in asked.rows]
    return content


def _red_detail(row: Row) -> dict[str, str]:
    """A line that is taken back in part, with the place of the blue line; discounts are not named."""
    detail = {
        "blueDetailIndex": str(row.position),
        "goodsName": row.name,
        "goodsCode": row.tax_code,
        "taxRate": _rate(row.tax_rate),
        "taxExcludedAmount": f"{row.net:.2f}",
        "taxAmount": f"{row.tax:.2f}",
    }
    if row.tax_mark in _FAVOURED:
        detail["favouredPolicyFlag"] = _FAVOURED[TaxMark(row.tax_mark)]
    if row.quantity:
        detail |= {"num": str(row.quantity), "taxExcludedPrice": _price(row)}
    return detail


def _marks(row: Row) -> dict[str, str]:
    if not row.tax_mark:
        return {}
    mark = TaxMark(row.tax_mark)
    marks = {"zeroRateFlag": _ZERO_RATE[mark]}
    return {**marks, "favouredPolicyFlag": _FAVOURED[mark]} if mark in _FAVOURED else marks


def _rate(rate: Decimal) -> str:
    return format(rate.normalize(), "f")


def _price(row: Row) -> str:
    """For reading: nothing is worked out from it."""
    return format((row.net / (row.quantity or 1)).quantize(Decimal("0.00000001")).normalize(), "f")
