"""What can be exported of orders and sub-orders."""

from django.utils.translation import gettext_lazy as _

from inventory.models import StorageClass
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


ORDERS = register(
    Export(
        Order,
        (
            Column(_("order number"), "number"),
            Column(_("external number"), "external_number"),
            Column(_("channel"), "channel__name"),
            Column(_("merchant"), "channel__merchant__code"),
            Column(_("state"), "state", dict(OrderState.choices)),
            Column(_("payment state"), "payment_state", dict(OrderPaymentState.choices)),
            Column(_("fulfilment state"), "fulfilment_state", dict(FulfilmentState.choices)),
            Column(_("payment method"), "payment_method", dict(PaymentMethod.choices)),
            Column(_("promise"), "promise", dict(Promise.choices)),
            Column(_("buyer"), "buyer_reference", mask=mask_all),
            Column(_("buyer's name"), "buyer_name", mask=mask_name),
            Column(_("buyer's phone"), "buyer_phone", mask=mask_phone),
            Column(_("recipient"), "recipient_name", mask=mask_name),
            Column(_("recipient's phone"), "recipient_phone", mask=mask_phone),
            Column(_("province"), "region__province"),
            Column(_("city"), "region__city"),
            Column(_("district"), "region__district"),
            Column(_("address"), "recipient_address", mask=mask_all),
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
            Column(_("state"), "order__state", dict(OrderState.choices)),
            Column(_("payment state"), "order__payment_state", dict(OrderPaymentState.choices)),
            Column(_("fulfilment state"), "order__fulfilment_state", dict(FulfilmentState.choices)),
            Column(_("line"), "position"),
            Column(_("caller's line id"), "external_id"),
            Column(_("SKU code"), "sku__code"),
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
            Column(_("recipient"), "order__recipient_name", mask=mask_name),
            Column(_("recipient's phone"), "order__recipient_phone", mask=mask_phone),
            Column(_("province"), "order__region__province"),
            Column(_("city"), "order__region__city"),
            Column(_("district"), "order__region__district"),
            Column(_("address"), "order__recipient_address", mask=mask_all),
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
            Column(_("recipient"), "order__recipient_name", mask=mask_name),
            Column(_("recipient's phone"), "order__recipient_phone", mask=mask_phone),
            Column(_("province"), "order__region__province"),
            Column(_("city"), "order__region__city"),
            Column(_("district"), "order__region__district"),
            Column(_("address"), "order__recipient_address", mask=mask_all),
            Column(_("created at"), "created_at"),
        ),
        "orders.export_orders",
        "orders.export_personal_data",
    )
)
