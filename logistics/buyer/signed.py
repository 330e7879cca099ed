"""Buyers are asked for a review once all parcels of a part are signed for."""

from collections.abc import Collection

from django.utils.translation import gettext_lazy as _

from logistics.buyer import links
from oms.common.messages.kinds import MessageKind, register_message_kind
from oms.common.models import MessageTemplate, MessageWay
from orders.changing.telling import tell_of_parts

# No SMS among the defaults: each costs money, and staff may add a template.
SIGNED = register_message_kind(
    MessageKind(
        "goods_signed",
        _("Goods are signed for: asks for a review"),
        {
            "goods": _("names of the goods"),
            "link": _("link to the buyer's page"),
            "order": _("number of the order at the shop"),
        },
        {
            (MessageWay.MAIL, "zh-hans"): (
                "您的商品已签收，期待您的评价",
                "您购买的 {goods} 已签收。欢迎到店铺评价订单 {order}；如未收到或有问题，请点此反馈：{link}",
            ),
            (MessageWay.MAIL, "en"): (
                "Your goods have arrived: how do you like them?",
                "{goods} is signed for. Please review your order {order} at the shop. If it did not arrive or something"
                " is wrong, tell us here: {link}",
            ),
            (MessageWay.SITE, "zh-hans"): ("", "{goods} 已签收，欢迎评价。"),
            (MessageWay.SITE, "en"): ("", "{goods} is signed for. Please review it."),
        },
    )
)


def ask_for_review(sub_order_ids: Collection[int]) -> None:
    """Ask the buyers of these sub-orders, each once. One statement where no template is switched on, else a few."""
    if not sub_order_ids or not MessageTemplate.objects.filter(kind=SIGNED.code, is_active=True).exists():
        return
    tell_of_parts(SIGNED, sub_order_ids, lambda part: links.address_of(part.order))
