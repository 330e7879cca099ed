"""What can be exported of orders and sub-orders."""

from django.utils.translation import gettext_lazy as _

from inventory.models import UNKNOWN_GOODS, StorageClass
from oms.common.files.exporting import Column, Export, register
from oms.common.masking import mask_name, mask_phone
from orders.models import (
    FulfilmentState,
    Order,
    OrderLine,
    OrderPaymentState,
    OrderState,
    PaymentMethod,
    SubOrder,
    SubOrderState,
)
from orders.models.order import Promise


def mask_all(text: str) -> str:
    """Nothing of the text."""
    return "…" if text else ""


def _states(order: str = "") -> tuple[Column, ...]:
    """An order's states; `order` is the path to it."""
    return (
        Column(_("state"), f"{order}state", dict(OrderState.choices)),
        Column(_("payment state"), f"{order}payment_state", dict(OrderPaymentState.choices)),
        Column(_("fulfilment state"), f"{order}fulfilment_state", dict(FulfilmentState.choices)),
    )


def _recipient(order: str = "") -> tuple[Column, ...]:
    """Who gets an order, and where; `order` is the path to it."""
    return (
        Column(_("recipient"), f"{order}recipient_name", mask=mask_name),
        Column(_("recipient's phone"), f"{order}recipient_phone", mask=mask_phone),
        Column(_("province"), f"{order}region__province"),
        Column(_("city"), f"{order}region__city"),
        Column(_("district"), f"{order}region__district"),
        Column(_("address"), f"{order}recipient_address", mask=mask_all),
    )


ORDERS = register(
    Export(
        Order,
        (
            Column(_("order number"), "number"),
            Column(_("external number"), "external_number"),
            Column(_("channel"), "channel__name"),
            Column(_("merchant"), "channel__merchant__code"),
            *_states(),
            Column(_("payment method"), "payment_method", dict(PaymentMethod.choices)),
            Column(_("promise"), "promise", dict(Promise.choices)),
            Column(_("buyer"), "buyer_reference", mask=mask_all),
            Column(_("buyer's name"), "buyer_name", mask=mask_name),
            Column(_("buyer's phone"), "buyer_phone", mask=mask_phone),
            *_recipient(),
            Column(_("remark"), "remark", mask=mask_all),
            Column(_("lines"), "line_count"),
            Column(_("units"), "total_quantity"),
            Column(_("goods amount"), "goods_amount"),
            Column(_("freight"), "freight_amount"),
            Column(_("promotions"), "promotion_amount"),
            Column(_("coupon"), "coupon_amount"),
            Column(_("adjustment"), "adjustment_amount"),
            Column(_("points amount"), "points_amount"),
            Column(_("gift card"), "gift_card_amount"),
            Column(_("borne by merchants"), "merchant_borne_amount"),
            Column(_("payable"), "payable_amount"),
            Column(_("ordered at"), "ordered_at"),
            Column(_("received at"), "created_at"),
            Column(_("paid at"), "paid_at"),
        ),
        "orders.export_orders",
        "orders.export_personal_data",
    )
)

ORDER_LINES = register(
    Export(
        OrderLine,
        (
            Column(_("order number"), "order__number"),
            Column(_("external number"), "order__external_number"),
            Column(_("channel"), "order__channel__name"),
            *_states("order__"),
            Column(_("line"), "position"),
            Column(_("caller's line id"), "external_id"),
            Column(_("SKU code"), "sku__code", {UNKNOWN_GOODS: ""}),
            Column(_("caller's code"), "caller_code"),
            Column(_("merchant of the goods"), "sku__merchant__code"),
            Column(_("product"), "name"),
            Column(_("gift"), "is_gift"),
            Column(_("quantity"), "quantity"),
            Column(_("unit price"), "unit_price"),
            Column(_("line discount"), "line_discount"),
            Column(_("goods amount"), "goods_amount"),
            Column(_("freight"), "freight_share"),
            Column(_("promotions"), "promotion_share"),
            Column(_("coupon"), "coupon_share"),
            Column(_("adjustment"), "adjustment_share"),
            Column(_("points amount"), "points_share"),
            Column(_("gift card"), "gift_card_share"),
            Column(_("borne by the merchant"), "merchant_borne_share"),
            Column(_("payable"), "payable_amount"),
            *_recipient("order__"),
            Column(_("remark"), "order__remark", mask=mask_all),
            Column(_("ordered at"), "order__ordered_at"),
            Column(_("paid at"), "order__paid_at"),
        ),
        "orders.export_orders",
        "orders.export_personal_data",
        listed=Order,
        path="order",
    )
)

SUB_ORDERS = register(
    Export(
        SubOrder,
        (
            Column(_("sub-order number"), "number"),
            Column(_("order number"), "order__number"),
            Column(_("external number"), "order__external_number"),
            Column(_("merchant"), "merchant__code"),
            Column(_("warehouse"), "warehouse__code"),
            Column(_("state"), "state", dict(SubOrderState.choices)),
            Column(_("storage class"), "storage_class", dict(StorageClass.choices)),
            Column(_("units"), "total_quantity"),
            Column(_("payable"), "payable_amount"),
            *_recipient("order__"),
            Column(_("created at"), "created_at"),
        ),
        "orders.export_orders",
        "orders.export_personal_data",
    )
)
