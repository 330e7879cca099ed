"""Conditions that look at the order alone: its money, its texts, where it comes from and goes to."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.models import PaymentMethod
from orders.models.order import Promise
from orders.models.terms import Flag
from orders.reviewing.conditions.base import Builder, Kind, Sql, fact, found_word, over
from orders.reviewing.params import Param

Values = Mapping[str, Any]

_AMOUNT = Param("amount", "amount", gettext_lazy("over (yuan)"), default="5000.00")
_WORDS = Param("words", "words", gettext_lazy("words"), is_optional=True)
_WORD_LIST = Param("list", "list", gettext_lazy("list of words"), of="words", is_optional=True)

ORDER_KINDS = (
    ("1", gettext_lazy("Prepaid goods")),
    ("2", gettext_lazy("Goods on delivery")),
    ("3", gettext_lazy("Virtual goods")),
)
# A platform's asterisks, or a phone crossed out by X; the twin of `masking.is_masked`.
_MASKED = "({0} ~ '[*＊]' OR {0} ~* '^[0-9]+x{{2,}}[0-9]*$')"


def _amount_over(b: Builder, values: Values) -> Sql:
    limit = b.bind(values["amount"], "numeric(12,2)")
    return Sql(f"o.payable_amount > {limit}", over("o.payable_amount", limit))


def _units_over(b: Builder, values: Values) -> Sql:
    limit = b.bind(values["units"], "int")
    return Sql(f"o.total_quantity > {limit}", over("o.total_quantity", limit))


def _cod_over(b: Builder, values: Values) -> Sql:
    limit = b.bind(values["amount"], "numeric(12,2)")
    test = f"o.payment_method = '{PaymentMethod.COD}' AND o.payable_amount > {limit}"
    return Sql(f"({test})", over("o.payable_amount", limit))


def _discount_over(b: Builder, values: Values) -> Sql:
    percent, alias = b.bind(values["percent"], "int"), b.alias()
    join = f"""
    CROSS JOIN LATERAL (SELECT coalesce(sum(l.line_discount), 0) AS amount FROM orders_orderline l
        WHERE l.order_id = o.id) AS {alias}
    """
    off = (
        f"(o.promotion_amount + o.coupon_amount + greatest(-o.adjustment_amount, 0) + {alias}.amount) * 100"
        f" / nullif(o.goods_amount + {alias}.amount, 0)"
    )
    found = fact(found=f"round({off}, 2)::text || '%%'", limit=f"{percent}::text || '%%'")
    return Sql(f"coalesce({off} > {percent}, false)", found, join)


def _has_remark(b: Builder, values: Values) -> Sql:
    return Sql("btrim(o.remark) <> ''", fact(found="left(o.remark, 100)"))


def _word_in(text: str, join: str = "") -> Any:
    def sql(b: Builder, values: Values) -> Sql:
        alias = b.alias()
        words = found_word(
            alias, text.format(alias=alias), b.bind(values["words"], "text[]"), b.bind(values["list"] or "", "text")
        )
        return Sql(f"{alias}.word IS NOT NULL", fact(found=f"{alias}.word"), join.format(alias=alias) + words)

    return sql


_MEMO = """
    LEFT JOIN LATERAL (SELECT t.seller_memo FROM orders_orderterms t WHERE t.order_id = o.id) AS {alias}_t ON true
"""


def _some_words(values: Values) -> str:
    return "" if values["words"] or values["list"] else _("Give words, or a list of them.")


def _flagged(b: Builder, values: Values) -> Sql:
    flags = b.bind(values["flags"], "int[]")
    join = "LEFT JOIN LATERAL (SELECT t.flag FROM orders_orderterms t WHERE t.order_id = o.id) AS {0} ON true"
    alias = b.alias()
    return Sql(f"coalesce({alias}.flag, 0) = ANY({flags})", join=join.format(alias))


def _of_merchant(b: Builder, values: Values) -> Sql:
    codes = b.bind(values["codes"], "text[]")
    return Sql(
        f"o.channel_id IN (SELECT c.id FROM merchants_channel c JOIN merchants_merchant m ON m.id = c.merchant_id"
        f" WHERE m.code = ANY({codes}))"
    )


def of_channels(b: Builder, codes: Any) -> str:
    """SQL for whether the order came by one of the channels, named MERCHANT/CHANNEL."""
    return (
        "o.channel_id IN (SELECT c.id FROM merchants_channel c JOIN merchants_merchant m ON m.id = c.merchant_id"
        f" WHERE m.code || '/' || c.code = ANY({b.bind(codes, 'text[]')}))"
    )


def _of_channel(b: Builder, values: Values) -> Sql:
    return Sql(of_channels(b, values["codes"]))


def _to_province(b: Builder, values: Values) -> Sql:
    codes = b.bind(values["provinces"], "text[]")
    in_them = f"SELECT r.code FROM inventory_region r WHERE r.province = ANY({codes})"
    return Sql(f"coalesce(o.region_id IN ({in_them}), false)")


def _paid_by(b: Builder, values: Values) -> Sql:
    return Sql(f"o.payment_method = ANY({b.bind(values['methods'], 'text[]')})")


def _promised(b: Builder, values: Values) -> Sql:
    return Sql(f"o.promise = ANY({b.bind(values['promises'], 'text[]')})")


def _of_kind(b: Builder, values: Values) -> Sql:
    return Sql(f"left(o.number, 1) = ANY({b.bind(values['kinds'], 'text[]')})")


def _undeliverable(b: Builder, values: Values) -> Sql:
    alias = b.alias()
    join = f"""
    CROSS JOIN LATERAL (SELECT
        coalesce((SELECT t.receiver_token <> '' FROM orders_orderterms t WHERE t.order_id = o.id), false) AS has_token,
        coalesce((SELECT r.is_served FROM inventory_region r WHERE r.code = o.region_id), false) AS is_served
    ) AS {alias}
    """
    columns = ("o.recipient_name", "o.recipient_phone", "o.recipient_address")
    masked = " OR ".join(_MASKED.format(column) for column in columns)
    lacks = f"o.recipient_phone = '' OR o.recipient_address = '' OR NOT {alias}.is_served"
    return Sql(f"(left(o.number, 1) <> '3' AND (({masked}) AND NOT {alias}.has_token OR {lacks}))", join=join)


OWN = (
    Kind(
        "amount_over",
        gettext_lazy("Amount over a limit"),
        _amount_over,
        (_AMOUNT,),
        gettext_lazy("the amount payable is over %(amount)s yuan"),
    ),
    Kind(
        "units_over",
        gettext_lazy("Too many units in all"),
        _units_over,
        (Param("units", "number", gettext_lazy("units at most"), default=100),),
        gettext_lazy("it has more than %(units)s units"),
    ),
    Kind(
        "cod_over",
        gettext_lazy("Cash on delivery over a limit"),
        _cod_over,
        (Param("amount", "amount", gettext_lazy("over (yuan)"), default="2000.00"),),
        gettext_lazy("more than %(amount)s yuan are to be paid on delivery"),
    ),
    Kind(
        "discount_over",
        gettext_lazy("Discount too high"),
        _discount_over,
        (Param("percent", "number", gettext_lazy("over (% of the goods)"), default=70, most=100),),
        gettext_lazy("discounts, promotions and coupons take off more than %(percent)s %% of the goods"),
    ),
    Kind("has_remark", gettext_lazy("The buyer left a remark"), _has_remark),
    Kind(
        "remark_has",
        gettext_lazy("The buyer's remark has certain words"),
        _word_in("o.remark"),
        (_WORDS, _WORD_LIST),
        check=_some_words,
    ),
    Kind(
        "memo_has",
        gettext_lazy("The seller's memo has certain words"),
        _word_in("coalesce({alias}_t.seller_memo, '')", _MEMO),
        (_WORDS, _WORD_LIST),
        check=_some_words,
    ),
    Kind(
        "address_has",
        gettext_lazy("The address has certain words"),
        _word_in("o.recipient_address"),
        (_WORDS, _WORD_LIST),
        check=_some_words,
    ),
    Kind(
        "flagged",
        gettext_lazy("The seller's flag"),
        _flagged,
        (Param("flags", "choices", gettext_lazy("flags"), choices=Flag.choices),),
    ),
    Kind(
        "of_merchant",
        gettext_lazy("Merchant"),
        _of_merchant,
        (Param("codes", "codes", gettext_lazy("merchants"), of="merchant"),),
    ),
    Kind(
        "of_channel",
        gettext_lazy("Channel"),
        _of_channel,
        (Param("codes", "codes", gettext_lazy("MERCHANT/CHANNEL"), of="channel"),),
    ),
    Kind(
        "to_province",
        gettext_lazy("Province of the recipient"),
        _to_province,
        (Param("provinces", "codes", gettext_lazy("provinces"), of="province"),),
    ),
    Kind(
        "paid_by",
        gettext_lazy("Payment method"),
        _paid_by,
        (Param("methods", "choices", gettext_lazy("payment methods"), choices=PaymentMethod.choices),),
    ),
    Kind(
        "promised",
        gettext_lazy("Promise"),
        _promised,
        (Param("promises", "choices", gettext_lazy("promises"), choices=Promise.choices),),
    ),
    Kind(
        "of_kind",
        gettext_lazy("Kind of order"),
        _of_kind,
        (Param("kinds", "choices", gettext_lazy("kinds"), choices=ORDER_KINDS),),
    ),
    Kind("undeliverable", gettext_lazy("Recipient masked or undeliverable"), _undeliverable),
)
