"""Troubles of money and people: a refund that failed, an invoice that is refused, a bill that differs."""

from decimal import Decimal

from django.utils.translation import gettext_lazy as _

from logistics.models import Shipment
from oms.common.models import Topic
from oms.common.work import facts
from oms.common.zones import CHINA
from oms.plot.of_parcels import ticket_of
from oms.plot.registry import (
    DIFFERENCE,
    DIFFERENCE_IS_OPEN,
    NOT_INVOICED,
    ORDER,
    TICKET,
    TICKET_IS_OPEN,
    Staged,
    Trouble,
    register,
)
from oms.plot.world import ACTOR, CHANNEL, GOODS, NotStaged, Person, World
from orders.changing.cancelling import cancel_order
from orders.intake.bodies import InvoiceBody
from orders.models import Order
from payments.invoicing import asking
from payments.models import BillForm, BillMatch, BillSource, Means, NoticeKind, Payment, Refund
from payments.reconciling.importing import import_bill
from payments.troubles import REFUND_FAILED

_NO_MONEY = Person("plot-refund", "戴款", "13800138121", "石牌西路8号展望数码广场1505")
_INVOICED = Person("plot-invoice", "税明", "13800138122", "天河北路233号中信广场3807")
_CASH = Person("plot-cash", "银讫", "13800138123", "珠江新城华穗路263号2栋2004室")
_TITLE = "不存在"  # which the pretended tax bureau refuses
_SHORT_BY = Decimal("10.00")


def _failed_refund(world: World) -> Staged:
    order = world.place("failed-refund", _NO_MONEY, days_ago=1, is_paid=False)
    world.run("request_payment")
    payment = Payment.objects.get(order=order)
    link = payment.connection_id or 0
    body = {"amount": str(payment.amount), "transaction": "PLOT0001"}
    facts.receive(
        link,
        Topic.PAYMENT,
        [
            facts.News(
                f"plot-{payment.number}", NoticeKind.CAPTURED, payment.number, world.ago(days=1, minutes=-5), body
            )
        ],
    )
    world.run("payment_facts")
    cancel_order(order.pk, reason="买家拍错了", actor=ACTOR)
    world.run("owing")
    refund = Refund.objects.get(order=order)
    told = {"amount": str(refund.amount), "text": "账户已注销"}
    facts.receive(
        link,
        Topic.PAYMENT,
        [facts.News(f"plot-{refund.number}", NoticeKind.REFUND_FAILED, refund.number, world.ago(hours=2), told)],
    )
    world.run("payment_facts")
    ticket = ticket_of(REFUND_FAILED, order)
    return Staged(ticket.pk, values={"number": order.number, "amount": str(refund.amount)})


def _invoice(world: World) -> Staged:
    """The service refuses it once it is asked, which happens by itself."""
    order = world.place("invoice", _INVOICED, days_ago=6, goods=[(GOODS[4], 5, "39.90")])
    world.deliver(order, days_ago=3)
    wish = InvoiceBody(title_type="company", title=f"{_TITLE}商贸有限公司", tax_number="91110000600037341L")
    asking.ask(order.pk, wish, actor=ACTOR)
    asking.issue_now(order.pk, actor=ACTOR)
    return Staged(order.pk, values={"number": order.number})


def _bill(world: World) -> Staged:
    order = world.place("bill", _CASH, days_ago=8, payment_method="cod", goods=[(GOODS[2], 4, "25.00")])
    parcel = world.deliver(order, days_ago=5)
    world.run("owing")
    payment = Payment.objects.filter(order=order, means=Means.CASH).first()
    if payment is None or payment.captured_amount is None or parcel.connection is None:
        raise NotStaged(f"{order.number}: no cash was collected")
    source, _is_new = BillSource.objects.get_or_create(connection=parcel.connection, form=BillForm.COD)
    bill = import_bill(
        source.pk, _remitted(world, order, parcel, payment.captured_amount), file_name="cod-plot.csv", by=CHANNEL
    )
    match = BillMatch.objects.filter(row__bill=bill, resolution="", payment=payment).first()
    if match is None:
        raise NotStaged(f"{order.number}: the bill does not differ")
    return Staged(
        match.pk,
        values={"number": order.number, "carrier": parcel.carrier.name if parcel.carrier else "", "amount": "10.00"},
    )


def _remitted(world: World, order: Order, parcel: Shipment, cash: Decimal) -> bytes:
    """The carrier's file of the cash that it remits: less than it took."""
    amount, at = cash - _SHORT_BY, world.ago(days=5).astimezone(CHINA)
    day = f"{world.ago(days=2).astimezone(CHINA):%Y-%m-%d}"
    rows = [
        "返款批次号,返款日期,运单号,商家订单号,签收时间,代收金额（元）,手续费（元）,实返金额（元）,状态,备注",
        f"PLOT01,{day},{parcel.waybill_number},{order.number},{at:%Y-%m-%d %H:%M:%S},{amount},0.00,{amount},已返款,",
        f"合计,,,,,{amount},0.00,{amount},1笔,",
    ]
    return ("\ufeff" + "\r\n".join(rows) + "\r\n").encode()


for _trouble in (
    Trouble(
        "failed_refund",
        _("Order %(number)s was cancelled, and the refund of %(amount)s yuan failed: the buyer's account is closed."),
        _("Pay it by hand on the order's page, or send it once more."),
        TICKET,
        ("payments.pay_out_refund", "payments.retry_payment"),
        TICKET_IS_OPEN,
        _failed_refund,
    ),
    Trouble(
        "invoice",
        _("The buyer of order %(number)s wants an invoice with a title that the tax bureau does not know."),
        _("Correct the title of the invoice on the order's page."),
        ORDER,
        ("payments.retitle_invoice",),
        NOT_INVOICED,
        _invoice,
    ),
    Trouble(
        "bill",
        _("%(carrier)s remitted %(amount)s yuan less than it took for order %(number)s."),
        _("Ask the carrier, then say how the difference ends."),
        DIFFERENCE,
        ("payments.note_billmatch",),
        DIFFERENCE_IS_OPEN,
        _bill,
    ),
):
    register(_trouble)
