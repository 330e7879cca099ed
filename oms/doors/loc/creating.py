"""Creating orders by the LOC interface: both of its forms. Here, because the virtual form may come with its payment."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiRequest, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.door.api import read_json
from oms.common.door.schema import schema_of
from oms.common.errors import FieldError, WrongFields
from oms.common.work import nudging
from oms.doors.loc.base import CHANNEL, PAID, UNPAID, Code, LocError, LocView, answer, decode, digest, moment, one_of
from oms.doors.loc.catalogue import listed_goods
from oms.doors.loc.models import LocOrder
from oms.doors.loc.paying import book_paid
from oms.doors.loc.views import enveloped
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.intake.addressing import parse_address
from orders.intake.bodies import BuyerBody, LineBody, OrderBody, RecipientBody
from orders.intake.goods import UnknownGoods
from orders.intake.placing import Duplicate, Placed, Refused, place_orders
from orders.locking import lock_order
from orders.matching import waiting
from orders.models import Hold, Order, OrderState
from orders.reviewing import holds

_ORDER_STATUSES = ("待支付", "已支付", "待发货")
# What the intake calls the fields of both forms; what it calls a line's fields, in either form.
_FIELDS = {"external_number": "order_id", "buyer.id": "user_id", "ordered_at": "order_time", "lines": "items"}
_ITEM_FIELDS = {"sku": "item_id"}
_PRODUCT_FIELDS = {"sku": "product_id", "name": "product_name", "unit_price": "product_price"}
_ASKED_ABOUT = {Hold.Kind.ADDRESS: "收货信息", Hold.Kind.UNMATCHED: "商品"}
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
_TIME = msgspec.Meta(extra_json_schema={"example": "2025-02-15 12:00:00"})


class LocItem(msgspec.Struct):
    """Units of one of the merchant's items; the price is its list price."""

    item_id: Text
    quantity: Annotated[int, msgspec.Meta(ge=1, le=10_000)]


class LocGoodsBody(msgspec.Struct):
    """Goods to deliver. `receiver_name` and `receiver_phone` may be given; else they are read out of the address."""

    order_id: Text
    user_id: Text
    items: Annotated[list[LocItem], msgspec.Meta(min_length=1, max_length=500)]
    delivery_address: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    delivery_time: Annotated[str, _TIME] = ""
    payment_status: Annotated[str, msgspec.Meta(extra_json_schema={"enum": [PAID, *UNPAID]})] = "待支付"
    receiver_name: Annotated[str, msgspec.Meta(max_length=80)] = ""
    receiver_phone: Annotated[str, msgspec.Meta(max_length=40)] = ""


class LocVirtualBody(msgspec.Struct):
    """Virtual goods: the merchant delivers a code, a link or an account by `virtual_delivery`."""

    order_id: Text
    user_id: Text
    product_id: Text
    product_name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    product_price: Decimal
    quantity: Annotated[int, msgspec.Meta(ge=1, le=10_000)]
    order_status: Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(_ORDER_STATUSES)})]
    payment_status: Annotated[str, msgspec.Meta(extra_json_schema={"enum": [PAID, *UNPAID]})]
    order_time: Annotated[str, _TIME]


class _Form(msgspec.Struct):
    product_id: Any = None
    items: Any = None


class CreatedAnswerSerializer(serializers.Serializer):
    """The order that was made."""

    order_id = serializers.CharField()
    order_number = serializers.CharField()
    amount = serializers.DecimalField(
        12, 2, allow_null=True, help_text="null: known once somebody has said what the codes of the items stand for."
    )
    waits_for_person = serializers.CharField(
        allow_null=True,
        help_text="What a person is asked about the address and the codes of the items; nothing is sent before."
        " null: nothing.",
    )


LocCreatedAnswer = enveloped(
    "LocCreatedAnswer",
    CreatedAnswerSerializer,
    {"order_id": "T20250215-1", "order_number": "1364935748662587", "amount": "20.00", "waits_for_person": None},
)


class LocCreateView(LocView):
    """POST /api/order/create."""

    scopes = {"POST": "orders.write"}
    serializer_class = LocCreatedAnswer

    @extend_schema(
        operation_id="loc_order_create",
        summary="创建订单 · create an order",
        description=(
            "Goods at their list prices to an address in free text, or virtual goods at the price given. An address"
            " whose region is not certain is not guessed, and without a phone number no carrier is sent: the order is"
            " taken, and waits until a person has said what is missing (`waits_for_person`). So is one with a code that"
            " nobody knows, where the channel's codes are matched to SKUs: it costs the list price once it is. The same"
            " `order_id` with the same content answers the same again; with other content 40901, but for one that"
            " says that an order created 待支付 is 已支付 now: it is booked."
        ),
        tags=["LOC"],
        request=OpenApiRequest(
            {"oneOf": [schema_of(LocGoodsBody), schema_of(LocVirtualBody)]},
            examples=[
                OpenApiExample(
                    "Goods",
                    {
                        "order_id": "T20250215-1",
                        "user_id": "H900",
                        "items": [{"item_id": "P1095275", "quantity": 2}],
                        "delivery_address": "北京市朝阳区建国路88号 张三 13800001111",
                        "delivery_time": "2025-02-15 12:00:00",
                    },
                ),
                OpenApiExample(
                    "Virtual goods",
                    {
                        "order_id": "V20250215-1",
                        "user_id": "H900",
                        "product_id": "VIP-MONTH",
                        "product_name": "会员月卡",
                        "product_price": 15.00,
                        "quantity": 1,
                        "order_status": "待支付",
                        "payment_status": "已支付",
                        "order_time": "2025-02-15 12:00:00",
                    },
                ),
            ],
        ),
    )
    def post(self, request: Request) -> Response:
        """Create it."""
        raw = read_json(request)
        form = decode(raw, _Form)
        is_virtual = form.product_id is not None and form.items is None
        body = decode(raw, LocVirtualBody) if is_virtual else decode(raw, LocGoodsBody)
        order = create(self.merchant, body, actor=self.actor)
        data: dict[str, Any] = {"order_id": order.external_number, "order_number": order.number}
        asked = holds.questions(order.pk)
        amount = None if waiting.unpriced(order.pk) else str(order.payable_amount)
        data |= {"amount": amount, "waits_for_person": "".join(asked.values()) or None}
        subjects = "和".join(_ASKED_ABOUT[Hold.Kind(kind)] for kind in asked)
        return answer(data, f"订单已接收，待人工确认{subjects}" if asked else "订单已接收")


def create(merchant: Merchant, body: LocGoodsBody | LocVirtualBody, *, actor: Actor) -> Order:
    """Store the order, or find the one that the same call made before. Raises LocError and WrongFields."""
    content = digest(body)
    with transaction.atomic():
        order = _known(merchant, body, content)
        if order is not None:
            _pay(order, body, at=timezone.now())
        else:
            intake = _virtual(merchant, body) if isinstance(body, LocVirtualBody) else _goods(merchant, body)
            order, is_new = _place(merchant, intake, body, content, actor)
            if not is_new:
                return order
            LocOrder.objects.create(order=order, content_digest=content)
            if isinstance(body, LocVirtualBody):
                Order.objects.filter(pk=order.pk).update(merchant_delivers=True)
            elif body.delivery_time:
                wanted = moment(body.delivery_time, "delivery_time")
                Order.objects.filter(pk=order.pk).update(wanted_at=wanted)
            one_of(body.payment_status, [PAID, *UNPAID], "payment_status")
            _pay(order, body, at=intake.ordered_at if isinstance(body, LocVirtualBody) else timezone.now())
    nudging.nudge("request_payment", "review")
    return order


def _pay(order: Order, body: LocGoodsBody | LocVirtualBody, *, at: datetime) -> None:
    """Book that the merchant was paid, where it says so and the order waits for it."""
    if body.payment_status == PAID and order.state == OrderState.AWAITING_PAYMENT:
        locked = lock_order(order.pk)
        if locked.state == OrderState.AWAITING_PAYMENT:
            book_paid(locked, at=at)


def _known(merchant: Merchant, body: LocGoodsBody | LocVirtualBody, content: bytes) -> Order | None:
    """The order that the same call made before, also one that said that it is not paid yet. Raises LocError if it was
    made with other content."""
    if "\0" in body.order_id:
        return None
    order = Order.objects.visible_to(merchant).filter(external_number=body.order_id, channel__code=CHANNEL).first()
    if order is None:
        return None
    loc = LocOrder.objects.filter(order=order).first()
    if loc is None or bytes(loc.content_digest) not in {content, *_unpaid(body)}:
        message = _("This order_id was sent before with other content; it is order %(number)s.")
        raise LocError(Code.OTHER_CONTENT, message % {"number": order.number}, attr="order_id")
    return order


def _unpaid(body: LocGoodsBody | LocVirtualBody) -> Iterator[bytes]:
    """What tells the contents apart that such a call may have had before the merchant was paid."""
    if body.payment_status == PAID:
        for word in UNPAID:
            before = msgspec.structs.replace(body, payment_status=word)
            yield digest(before)
            if isinstance(before, LocVirtualBody):
                yield from (digest(msgspec.structs.replace(before, order_status=state)) for state in _ORDER_STATUSES)


def _place(
    merchant: Merchant, intake: OrderBody, body: LocGoodsBody | LocVirtualBody, content: bytes, actor: Actor
) -> tuple[Order, bool]:
    """The order, and whether this call made it. Raises LocError and WrongFields."""
    is_virtual = isinstance(body, LocVirtualBody)
    unknown = UnknownGoods(is_unpriced=not is_virtual, is_virtual=is_virtual)
    (outcome,) = place_orders([intake], merchant, actor=actor, asks_a_person=True, unknown=unknown)
    match outcome:
        case Placed(key):
            return Order.objects.get(pk=key), True
        case Duplicate():
            # Another call with the same order_id was quicker by a moment.
            earlier = _known(merchant, body, content)
            if earlier is None:
                raise LocError(Code.REFUSED, _("Somebody else changed this meanwhile."))
            return earlier, False
        case Refused(errors):
            # The buyer is the recipient: what is wrong with both is one thing.
            wrong = [FieldError(_field(error.attr, body), error.code, error.detail) for error in errors]
            raise WrongFields(list(dict.fromkeys(wrong)))


def _field(attr: str, body: LocGoodsBody | LocVirtualBody) -> str:
    """The field of the call that an error of the intake is about: where the caller wrote what is wrong."""
    if attr in _FIELDS:
        return _FIELDS[attr]
    if attr.startswith("lines."):
        _lines, index, name = attr.split(".", 2)
        if isinstance(body, LocVirtualBody):
            return _PRODUCT_FIELDS.get(name, name)
        return f"items.{index}.{_ITEM_FIELDS.get(name, name)}"
    if isinstance(body, LocVirtualBody):
        return "product_price" if attr.endswith("_amount") else "user_id"
    match attr.partition(".")[2]:
        case "phone" if body.receiver_phone:
            return "receiver_phone"
        case "name" if body.receiver_name:
            return "receiver_name"
    return "items" if attr.endswith("_amount") else "delivery_address"


def _goods(merchant: Merchant, body: LocGoodsBody) -> OrderBody:
    listed = listed_goods(merchant, (item.item_id for item in body.items))
    lines, total = [], Decimal(0)
    for index, item in enumerate(body.items):
        found = listed.find(item.item_id, f"items.{index}.item_id")
        if found.is_known and not found.price:
            message = _("Item %(code)s has no list price; give it one, or send the order by the REST API.")
            raise LocError(Code.NO_PRICE, message % {"code": item.item_id}, attr=f"items.{index}.item_id")
        lines.append(LineBody(sku=item.item_id, quantity=item.quantity, unit_price=found.price))
        total += found.price * item.quantity
    parsed = parse_address(body.delivery_address)
    phone = body.receiver_phone or parsed.phone
    name = body.receiver_name or parsed.name or body.user_id
    return OrderBody(
        external_number=body.order_id,
        source=CHANNEL,
        ordered_at=timezone.now(),
        buyer=BuyerBody(body.user_id, name, phone),
        recipient=RecipientBody(name, phone, region_code=parsed.region_code or "", address=parsed.rest),
        lines=lines,
        payable_amount=total,
    )


def _virtual(merchant: Merchant, body: LocVirtualBody) -> OrderBody:
    one_of(body.order_status, _ORDER_STATUSES, "order_status")
    found = listed_goods(merchant, [body.product_id]).find(body.product_id, "product_id")
    if found.is_known and not found.is_virtual:
        detail = _("%(code)s is no virtual item: send it with items and delivery_address.") % {"code": body.product_id}
        raise WrongFields([FieldError("product_id", "not_virtual", detail)])
    price = body.product_price
    if not price.is_finite() or not 0 <= price < 10**8 or round(price, 2) != price:
        detail = _("Give an amount in yuan with at most two places, such as 12.34.")
        raise WrongFields([FieldError("product_price", "invalid_amount", detail)])
    return OrderBody(
        external_number=body.order_id,
        source=CHANNEL,
        ordered_at=moment(body.order_time, "order_time"),
        buyer=BuyerBody(body.user_id, body.user_id, ""),
        recipient=RecipientBody(body.user_id, "", "", ""),
        lines=[LineBody(sku=body.product_id, quantity=body.quantity, unit_price=price, name=body.product_name)],
        payable_amount=price * body.quantity,
    )
