"""The system as `books.csv` says it was on the day of the example bills, and the bills read into it."""

import csv
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from logistics.models import Carrier, Shipment
from oms.common.invariants import check
from oms.common.models import Connection, SystemKind
from oms.common.zones import CHINA
from orders.fulfilling import splitting
from orders.models import Order, SubOrder
from orders.reviewing import deciding
from payments.models import FUND_FORMS, Bill, BillForm, BillMatch, BillSource, Payment, Refund
from payments.reconciling import importing
from payments.reconciling.invariants import INVARIANTS
from tests import factories

BILLS = Path(__file__).parent / "bills"
FILES = {
    "alipay-trade-20261123.csv": BillForm.ALIPAY_TRADE,
    "alipay-fund-20261123.csv": BillForm.ALIPAY_FUND,
    "wechat-trade-20261123.csv": BillForm.WECHAT_TRADE,
    "wechat-fundflow-20261123.csv": BillForm.WECHAT_FUND,
    "cod-remittance-jd-20261123.csv": BillForm.COD,
    "bank-statement-20261123.csv": BillForm.BANK,
}
_ACCOUNTS = {"alipay": "20880000000000010156", "wechat": "1900000001", "offline": "6222000000000000001", "jd": ""}
# What we agreed on: share of the amount, least fee in fen.
_FEES = {"alipay": ("0.006", 0), "wechat": ("0.006", 0), "jd": ("0.01", 100), "offline": (None, 0)}
_OWNERS = {
    "alipay": (BillForm.ALIPAY_TRADE, BillForm.ALIPAY_FUND),
    "wechat": (BillForm.WECHAT_TRADE, BillForm.WECHAT_FUND),
    "jd": (BillForm.COD,),
    "offline": (BillForm.BANK,),
}
_STATES = {"captured": "captured", "pending": "pending", "refunded": "succeeded", "sent": "requested"}


def make_sources() -> dict[str, BillSource]:
    """A source for every form, each over its connection; by form."""
    sources = {}
    for code, forms in _OWNERS.items():
        kind = SystemKind.CARRIER if code == "jd" else SystemKind.PAYMENT
        link = Connection.objects.create(code=code, kind=kind, protocol="sandbox" if code == "jd" else code)
        rate, least = _FEES[code]
        for form in forms:
            sources[form] = BillSource.objects.create(
                connection=link,
                form=form,
                account="" if form == BillForm.WECHAT_FUND else _ACCOUNTS[code],
                fee_rate=Decimal(rate) if rate else None,
                fee_minimum_fen=least,
            )
    Carrier.objects.create(code="JD", name="京东物流", connection=sources[BillForm.COD].connection)
    return sources


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    return datetime.fromisoformat(text if " " in text else f"{text} 12:00:00").replace(tzinfo=CHINA)


def load_books(shop: factories.Shop, sources: dict[str, BillSource]) -> None:
    """Everything of `books.csv` but freight, which later bills are about."""
    links = {"alipay": BillForm.ALIPAY_TRADE, "wechat": BillForm.WECHAT_TRADE, "offline": BillForm.BANK}
    orders: dict[str, Order] = {}
    with (BILLS / "books.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    on_delivery = [row for row in rows if row["source"] == "cod"]
    for row in on_delivery:
        orders[row["order"]] = _order(shop, row, payment_method="cod")
    factories.run(deciding.run, splitting.run)
    for row in on_delivery:
        _load_cash(orders[row["order"]], row)
    for row in rows:
        if row["source"] in links:
            if row["order"] not in orders:
                orders[row["order"]] = _order(shop, row)
            _load_money(orders[row["order"]], row, sources[links[row["source"]]].connection)


def _order(shop: factories.Shop, row: dict[str, str], **changes: Any) -> Order:
    line = (shop.sku, 1, row["amount"])
    number = (
        f"{row['order']}-{row['number']}"
        if Order.objects.filter(external_number=row["order"]).exists()
        else row["order"]
    )
    return shop.place_order(line, freight_amount="0.00", external_number=number, **changes)


def _load_money(order: Order, row: dict[str, str], link: Connection) -> None:
    at, state = _moment(row["happened_at"]), _STATES[row["state"]]
    common: dict[str, Any] = {
        "number": row["number"],
        "order": order,
        "connection": link,
        "state": state,
        "amount": Decimal(row["amount"]),
        "transaction_number": row["provider_reference"],
        "ready_at": None,
    }
    if row["kind"] == "payment":
        captured = {"captured_amount": Decimal(row["amount"]), "captured_at": at} if state == "captured" else {}
        Payment.objects.create(means="online", **common, **captured)
        return
    payment = Payment.objects.filter(order=order).first() or Payment.objects.create(
        **{**common, "number": f"of-{row['number']}", "state": "captured", "transaction_number": ""},
        means="online",
        captured_amount=Decimal(row["amount"]),
        captured_at=_moment("2026-11-01 00:00:00"),
    )
    done = {"refunded_amount": Decimal(row["amount"]), "succeeded_at": at} if state == "succeeded" else {}
    Refund.objects.bulk_create([Refund(payment=payment, reason="returned", **{**common, "state": "intended"})])
    refund = Refund.objects.get(number=row["number"])
    Refund.objects.filter(pk=refund.pk).update(state="requested", requested_at=at)
    if done:
        Refund.objects.filter(pk=refund.pk).update(state="succeeded", **done)


def _load_cash(order: Order, row: dict[str, str]) -> None:
    sub_order = SubOrder.objects.get(order=order)
    Shipment.objects.create(
        number=f"{sub_order.number}-S1",
        sub_order=sub_order,
        carrier=Carrier.objects.get(code="JD"),
        waybill_number=row["number"],
    )
    if row["state"] == "collected":
        Payment.objects.create(
            number=f"{sub_order.number}-P",
            order=order,
            sub_order=sub_order,
            means="cash",
            state="captured",
            amount=Decimal(row["amount"]),
            captured_amount=Decimal(row["amount"]),
            captured_at=_moment(row["happened_at"]),
            ready_at=None,
        )


def read(source: BillSource, name: str, **options: Any) -> Bill:
    """Read one of the example files."""
    return importing.import_bill(source.pk, (BILLS / name).read_bytes(), file_name=name, by="li", **options)


def read_all(sources: dict[str, BillSource]) -> None:
    """Read all example files."""
    for name, form in FILES.items():
        read(sources[form], name)


def expected() -> Iterator[tuple[str, str, str, str]]:
    """File, number, outcome and difference of `expected.csv`, without freight."""
    with (BILLS / "expected.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if not row["file"].startswith("freight"):
                yield row["file"], row["key"], row["outcome"], row["difference"]


def found(
    *, without: tuple[str, ...] = (BillForm.ALIPAY_FUND, BillForm.WECHAT_FUND)
) -> list[tuple[str, str, str, str]]:
    """The same of what was found. Where a row stood in its file twice, `expected.csv` names the second one only."""
    names = {form: name for name, form in FILES.items()}
    rows = []
    matches = BillMatch.objects.exclude(source__form__in=FUND_FORMS).select_related("source")
    twice = set(matches.filter(outcome="duplicate_row").values_list("source", "key"))
    for match in matches:
        if match.outcome == "matched" and (match.source_id, match.key) in twice:
            continue
        difference = "" if match.difference_fen is None else f"{Decimal(match.difference_fen) / 100:.2f}"
        rows.append((names[BillForm(match.source.form)], match.key, match.outcome, difference))
    return rows


def broken() -> list[str]:
    """What of bills does not hold. The books of the day are put there, not lived through: of them more does not."""
    return [f"{finding.invariant.name}: {finding.examples}" for finding in check(INVARIANTS)]
