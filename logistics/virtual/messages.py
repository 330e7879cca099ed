"""What buyers of virtual goods are told: that their goods are there, with the link to them."""

from collections.abc import Collection

from django.utils.translation import gettext_lazy as _

from logistics.virtual import links
from oms.common.messages.kinds import MessageKind, register_message_kind
from oms.common.models import MessageWay
from orders.changing.telling import tell_of_parts

GOODS_READY = register_message_kind(
    MessageKind(
        "virtual_goods_ready",
        _("Virtual goods are there"),
        {
            "goods": _("names of the goods"),
            "link": _("link to the buyer's page"),
            "order": _("number of the order at the shop"),
        },
        {
            (MessageWay.MAIL, "zh-hans"): ("您购买的商品已发货", "您购买的 {goods} 已发货，请在此领取：{link}"),
            (MessageWay.MAIL, "en"): ("Your goods are there", "{goods} is there. Get it here: {link}"),
            (MessageWay.SMS, "zh-hans"): ("", "您购买的{goods}已发货，领取链接：{link}"),
            (MessageWay.SITE, "zh-hans"): ("", "{goods} 已发货。"),
            (MessageWay.SITE, "en"): ("", "{goods} is there."),
        },
    )
)


def goods_ready(sub_order_ids: Collection[int]) -> None:
    """Tell the buyers of these sub-orders that their goods are there, each once."""
    tell_of_parts(GOODS_READY, sub_order_ids, links.address_of)
