"""The rules and lists that a new installation starts from (`operations-defaults.md` §3), called by codes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from orders.actors import name_actors
from orders.models import Outcome, ReviewList, ReviewListEntry, ReviewRule, ReviewRuleSet
from orders.reviewing.versions import VERSIONS

DENY, ALLOW, VILLAGES, HOLD_WORDS = "deny", "allow", "villages", "hold_words"
# For addresses in villages the choice of carrier needs a person; sellers write these into their memo to stop an order.
VILLAGE_WORDS = ("村", "乡", "组")
WORDS_TO_HOLD = ("hold", "拦截", "暂停", "先不发", "别发", "等通知")


@dataclass(frozen=True, slots=True)
class _Shipped:
    code: str
    title: Any
    condition: dict[str, Any]
    outcome: Outcome = Outcome.HOLD
    is_active: bool = True
    priority: int = 10


# Off are those that hold what intake asks about already (12), or that a shop must want first: each would hold a large
# part of its orders.
RULES = (
    _Shipped("amount_over", _("Amount over a limit"), {"is": "amount_over", "amount": "5000.00"}),
    _Shipped("sku_units_over", _("Too many units of a SKU"), {"is": "sku_units_over", "units": 100}),
    _Shipped(
        "address_velocity",
        _("Too many orders to an address"),
        {"is": "address_orders", "orders": 5, "minutes": 60},
    ),
    _Shipped("buyer_velocity", _("Too many orders of a buyer"), {"is": "buyer_orders", "orders": 5, "minutes": 60}),
    _Shipped("deny_list", _("Phone or address on the deny list"), {"is": "on_list", "list": DENY}),
    _Shipped("village_address", _("Address in a village"), {"is": "address_has", "list": VILLAGES}, is_active=False),
    _Shipped("remark", _("The buyer left a remark"), {"is": "has_remark"}, is_active=False),
    _Shipped("memo", _("The seller's memo says to hold it"), {"is": "memo_has", "list": HOLD_WORDS}),
    _Shipped(
        "cod",
        _("Cash on delivery with a risk"),
        {
            "any": [
                {"is": "cod_over", "amount": "2000.00"},
                {
                    "all": [
                        {"is": "paid_by", "methods": ["cod"]},
                        {"is": "refused_before", "refusals": 2, "days": 90},
                    ]
                },
            ]
        },
    ),
    _Shipped(
        "unpaid_sibling",
        _("Another order of the buyer is not paid yet"),
        {"is": "unpaid_sibling", "minutes": 30},
        Outcome.WAIT,
        priority=20,
    ),
    _Shipped(
        "mergeable_sibling",
        _("An order for the same parcel is still within its delay"),
        {"is": "mergeable_sibling", "minutes": 60},
        Outcome.WAIT,
        priority=20,
    ),
    _Shipped("undeliverable", _("Recipient masked or undeliverable"), {"is": "undeliverable"}, is_active=False),
    _Shipped("unreachable", _("No carrier reaches the area"), {"is": "unreachable"}, is_active=False),
    _Shipped("gift_short", _("Gift out of stock"), {"is": "gift_short"}),
    _Shipped("discount_over", _("Discount too high"), {"is": "discount_over", "percent": 70}),
)

_LISTS: Sequence[tuple[str, str, Any, Sequence[str]]] = (
    (DENY, ReviewList.Kind.PEOPLE, _("Deny list"), ()),
    (ALLOW, ReviewList.Kind.PEOPLE, _("Allow list"), ()),
    (VILLAGES, ReviewList.Kind.WORDS, _("Words of addresses in villages"), VILLAGE_WORDS),
    (HOLD_WORDS, ReviewList.Kind.WORDS, _("Words in memos that hold an order"), WORDS_TO_HOLD),
)

name_actors({shipped.code: shipped.title for shipped in RULES})
name_actors({f"list:{code}": title for code, _kind, title, _texts in _LISTS})


def install_default_lists() -> None:
    """Make the shipped lists that are not there yet, with their words."""
    there = set(ReviewList.objects.values_list("code", flat=True))
    made = ReviewList.objects.bulk_create(
        ReviewList(code=code, kind=kind) for code, kind, _title, _texts in _LISTS if code not in there
    )
    words = {code: texts for code, _kind, _title, texts in _LISTS}
    ReviewListEntry.objects.bulk_create(
        ReviewListEntry(review_list=one, kind=ReviewListEntry.Kind.WORD, text=text)
        for one in made
        for text in words[one.code]
    )


def install_default_rules() -> None:
    """Give a new installation rules to start from; does nothing where there are rules already."""
    install_default_lists()
    if ReviewRuleSet.objects.exists():
        return
    rule_set = ReviewRuleSet.objects.create()
    ReviewRule.objects.bulk_create(
        ReviewRule(
            rule_set=rule_set,
            code=shipped.code,
            condition=shipped.condition,
            outcome=shipped.outcome,
            is_active=shipped.is_active,
            priority=shipped.priority,
        )
        for shipped in RULES
    )
    VERSIONS.activate(rule_set.pk, by="")
