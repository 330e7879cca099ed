"""What buyers are told of changes of their orders, and where they can be reached."""

from collections.abc import Callable, Collection, Mapping

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext_lazy as _

from oms.common.messages import writing
from oms.common.messages.kinds import MessageKind, Value, register_message_kind
from oms.common.models import MessageWay
from oms.merchants import sandboxes
from orders.models import InvoiceRequest, Order, OrderEvent, SubOrder, SubOrderLine

_ORDER = _("number of the order at the shop")
CANCELLED = register_message_kind(
    MessageKind(
        "order_cancelled",
        _("The order is cancelled"),
        {"order": _ORDER},
        {
            (MessageWay.MAIL, "zh-hans"): ("订单已取消", "您的订单 {order} 已取消，已付款项将原路退回。"),
            (MessageWay.MAIL, "en"): (
                "Your order is cancelled",
                "Your order {order} is cancelled. What you paid goes back the way it came.",
            ),
            (MessageWay.SMS, "zh-hans"): ("", "您的订单{order}已取消，已付款项将原路退回。"),
            (MessageWay.SITE, "zh-hans"): ("", "订单已取消，已付款项将原路退回。"),
            (MessageWay.SITE, "en"): ("", "The order is cancelled. What you paid goes back the way it came."),
        },
    )
)
UNITS_CANCELLED = register_message_kind(
    MessageKind(
        "units_cancelled",
        _("A part of the order is cancelled"),
        {"order": _ORDER, "goods": _("names of the goods with their units")},
        {
            (MessageWay.MAIL, "zh-hans"): (
                "订单部分商品已取消",
                "您的订单 {order} 中的 {goods} 已取消，相应款项将原路退回，其余商品照常发货。",
            ),
            (MessageWay.MAIL, "en"): (
                "A part of your order is cancelled",
                "Of your order {order} this is cancelled: {goods}. What you paid for it goes back; the rest comes.",
            ),
            (MessageWay.SMS, "zh-hans"): ("", "您的订单{order}中的{goods}已取消，相应款项将原路退回。"),
            (MessageWay.SITE, "zh-hans"): ("", "已取消：{goods}，相应款项将原路退回。"),
            (MessageWay.SITE, "en"): ("", "Cancelled: {goods}. What you paid for it goes back."),
        },
    )
)


def tell_cancelled(order_ids: Collection[int]) -> None:
    """Tell the buyers of these orders that they are cancelled, each once."""
    orders = list(Order.objects.filter(sandboxes.without("channel__merchant"), pk__in=order_ids).order_by("id"))
    asked = {one.order_id: one for one in InvoiceRequest.objects.filter(order__in=order_ids)}
    writing.write(
        CANCELLED,
        [
            writing.News(
                f"{order.number}:cancelled",
                {"order": order.external_number},
                mail_of(order, asked.get(order.pk)),
                phone_of(order),
                about_id=order.pk,
            )
            for order in orders
        ],
    )


def tell_units_cancelled(order_id: int, sub_order_ids: Collection[int]) -> None:
    """Tell the buyer that these sub-orders of the order are cancelled."""
    rows = SubOrderLine.objects.filter(sub_order_id__in=sub_order_ids).order_by("order_line__position")
    units: dict[str, int] = {}
    for name, count in rows.values_list("order_line__name", "quantity"):
        units[name] = units.get(name, 0) + count
    tell_units(order_id, units)


def tell_of_parts(kind: MessageKind, sub_order_ids: Collection[int], link_of: Callable[[SubOrder], str]) -> None:
    """Tell the buyers of these sub-orders what the kind of message says of their goods, with a link, each once."""
    parts = list(
        SubOrder.objects.filter(sandboxes.without("merchant"), pk__in=sub_order_ids)
        .select_related("order")
        .prefetch_related("lines__order_line")
        .order_by("id")
    )
    asked = {one.order_id: one for one in InvoiceRequest.objects.filter(order__in=[part.order_id for part in parts])}
    writing.write(kind, [_of_part(part, link_of(part), asked.get(part.order_id)) for part in parts])


def _of_part(part: SubOrder, link: str, asked: InvoiceRequest | None) -> writing.News:
    order = part.order
    goods = [line.order_line.name for line in part.lines.all()]
    values: dict[str, Value] = {"goods": goods, "link": link, "order": order.external_number}
    return writing.News(part.number, values, mail_of(order, asked), phone_of(order), about_id=order.pk)


def tell_units(order_id: int, units: Mapping[str, int]) -> None:
    """Tell the buyer that units of goods, by their names, are cancelled. Told with the newest event of the order: each
    such cancellation is news of its own."""
    order = Order.objects.select_related("channel__merchant").get(pk=order_id)
    if order.channel.merchant.is_sandbox:
        return
    told_by = OrderEvent.objects.filter(order_id=order_id).order_by("-id").values_list("id", flat=True).first()
    goods = [f"{name} × {count}" for name, count in units.items()]
    asked = InvoiceRequest.objects.filter(order=order).first()
    news = writing.News(
        f"{order.number}:units:{told_by}",
        {"order": order.external_number, "goods": goods},
        mail_of(order, asked),
        phone_of(order),
        about_id=order_id,
    )
    writing.write(UNITS_CANCELLED, [news])


def mail_of(order: Order, asked: InvoiceRequest | None) -> str:
    """Where the buyer reads mail, if it is known: the invoice's address, or the name at the shop where it is one."""
    for text in ((asked.details.get("email") or "") if asked else "", order.buyer_reference):
        try:
            validate_email(text)
        except ValidationError:
            continue
        return text
    return ""


def phone_of(order: Order) -> str:
    """A telephone of the buyer that is whole; one that a platform masked is none."""
    for phone in (order.buyer_phone, order.recipient_phone):
        digits = (phone or "").removeprefix("+86").strip()
        if digits.isascii() and digits.isdigit() and len(digits) == 11:
            return digits
    return ""
