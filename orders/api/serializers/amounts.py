"""How the amounts of an order came about."""

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from orders.api import examples
from orders.api.apportioned import CHANNEL
from orders.api.serializers.money import money_field
from orders.models import ChargeCause, ChargeComponent, SubOrderState
from orders.models.amounts import ApportionmentPolicy, Bearer


class SharesSerializer(serializers.Serializer):
    """What something carries of an order's amounts."""

    goods_amount = money_field()
    freight_share = money_field()
    promotion_share = money_field()
    coupon_share = money_field()
    adjustment_share = money_field()
    points_share = money_field()
    gift_card_share = money_field()
    merchant_borne_share = money_field()
    payable_amount = money_field()


class UnitAmountsSerializer(SharesSerializer):
    """What one unit takes along where they go one by one, and how many following ones take the same."""

    units = serializers.IntegerField()


class ComponentSerializer(serializers.Serializer):
    """A signed part of what is paid: whence it comes and who bears it."""

    component = serializers.ChoiceField(ChargeComponent.choices)
    source = serializers.CharField(help_text="The promotion's id, or the reason of the adjustment.")
    bearer = serializers.ChoiceField(
        [*Bearer.choices, (CHANNEL, _("The channel's platform"))],
        allow_blank=True,
        help_text="`channel`: the channel's own platform, which settles it with the merchant.",
    )
    amount = money_field()


class SubOrderAmountsSerializer(SharesSerializer):
    """What a sub-order carries, and whose goods it holds."""

    number = serializers.CharField()
    merchant = serializers.CharField()
    state = serializers.ChoiceField(SubOrderState.choices)


class PartAmountsSerializer(SharesSerializer):
    """What a sub-order carries of a line."""

    sub_order = serializers.CharField()
    state = serializers.ChoiceField(SubOrderState.choices)
    quantity = serializers.IntegerField()
    returned_quantity = serializers.IntegerField(help_text="Units of it that came back while others stayed.")
    units = UnitAmountsSerializer(
        many=True, help_text="Its units one by one, equal ones together; none for parts of more than 200 units."
    )


class PromotionShareSerializer(serializers.Serializer):
    """What a line carries of a promotion, and who bears it."""

    id = serializers.CharField(source="promotion.code")
    amount = money_field()
    platform_amount = money_field()
    merchant_amount = money_field()


class PromotionSerializer(serializers.Serializer):
    """A promotion of the order, as the channel told of it."""

    id = serializers.CharField(source="code")
    name = serializers.CharField()
    rule = serializers.JSONField()
    amount = money_field()
    platform_amount = money_field()
    merchant_amount = money_field()


class LineAmountsSerializer(SharesSerializer):
    """A line's price and its share of every amount of the order."""

    position = serializers.IntegerField()
    id = serializers.CharField(help_text="As the caller calls the line.")
    sku = serializers.CharField()
    merchant = serializers.CharField(help_text="Whose goods they are.")
    caller_code = serializers.CharField()
    quantity = serializers.IntegerField()
    unit_price = money_field()
    line_discount = money_field()
    components = ComponentSerializer(many=True, help_text="What `payable_amount` is made of.")
    promotions = PromotionShareSerializer(many=True, help_text="What `promotion_share` is made of.")
    parts = PartAmountsSerializer(many=True, help_text="Where the units and their money went; cancelled ones too.")


class ChargeSerializer(serializers.Serializer):
    """One signed row of what is owed."""

    cause = serializers.ChoiceField(ChargeCause.choices)
    component = serializers.ChoiceField(ChargeComponent.choices)
    amount = money_field(help_text="Positive: the buyer owes more.")
    sub_order = serializers.CharField(source="sub_order.number", default=None, allow_null=True)
    line = serializers.IntegerField(
        source="line.position", default=None, allow_null=True, help_text="The line's position."
    )
    reference = serializers.CharField(help_text="The number of what caused it, such as a return's.")
    reason = serializers.CharField()
    bearer = serializers.ChoiceField(Bearer.choices, allow_blank=True)
    created_at = serializers.DateTimeField()


class OrderAmountsSerializer(serializers.Serializer):
    """How each amount of an order came about, to the fen."""

    number = serializers.CharField()
    version = serializers.IntegerField()
    currency = serializers.CharField()
    goods_amount = money_field()
    freight_amount = money_field()
    order_amount = money_field()
    promotion_amount = money_field()
    coupon_amount = money_field()
    adjustment_amount = money_field(help_text="Signed: negative makes the order cheaper.")
    adjustment_bearer = serializers.ChoiceField(Bearer.choices, allow_blank=True)
    points_amount = money_field()
    gift_card_amount = money_field()
    merchant_borne_amount = money_field(
        help_text="What the merchants of the goods bear of promotions and adjustment; it is no part of the sum."
    )
    payable_amount = money_field()
    cancelled_amount = money_field(help_text="Payable of what was cancelled or came back; it is not owed.")
    owed_amount = money_field(help_text="The sum of the charges.")
    paid_amount = money_field()
    refunded_amount = money_field()
    apportionment_policy = serializers.ChoiceField(
        ApportionmentPolicy.choices, help_text="How the amounts were shared among the lines."
    )
    components = ComponentSerializer(many=True, help_text="Those of all lines added up.")
    promotions = PromotionSerializer(many=True)
    sub_orders = SubOrderAmountsSerializer(many=True)
    lines = LineAmountsSerializer(many=True)
    charges = ChargeSerializer(many=True, help_text="Why the buyer owes what, in the order in which it came about.")


@extend_schema_serializer(examples=[OpenApiExample("Amounts", examples.AMOUNTS)])
class AmountsSerializer(OrderAmountsSerializer):
    """How each amount of an order came about, with the formulas."""

    formulas = serializers.DictField(child=serializers.CharField(), help_text="How each amount is worked out.")


@extend_schema_serializer(
    examples=[OpenApiExample("A page", {"next": None, "cursor": "01767312000000000403958221604", "results": []})]
)
class AmountsPageSerializer(serializers.Serializer):
    """Orders that changed, in the order of their changes."""

    next = serializers.CharField(allow_null=True, help_text="The address of the next page; null where nothing is left.")
    cursor = serializers.CharField(help_text="Where to go on later.")
    results = OrderAmountsSerializer(many=True)
