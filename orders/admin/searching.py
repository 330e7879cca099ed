"""The one search box: it recognises what was typed and looks it up by equality, each kind through its own index."""

import re
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q, QuerySet

from inventory.models import Sku
from oms.common import phones, tickets
from oms.common.desk.lists import united
from oms.common.numbering import is_order_number
from orders.models import Order, OrderLine, OrderTerms, SubOrder
from orders.panels import Lookup, registry

# More orders than this nobody looks through; they should filter instead.
CAP = 1_000
_SEPARATORS = re.compile(r"[\s\-()（）]+")
_METADATA = re.compile(r"(?:metadata\.)?(?P<key>[A-Za-z0-9_.-]{1,40})=(?P<value>[^\x00]{1,500})", re.ASCII)
_SUB_ORDER = re.compile(r"\d{16}(-\d+)+")


@dataclass(frozen=True, slots=True)
class Found:
    """What a search gave: ids of orders, and whether the text looks like an order number with a typing slip."""

    order_ids: frozenset[int]
    is_mistyped_number: bool


def phone_in(text: str) -> str | None:
    """The phone number that the text is, in its normal form; else None."""
    return phones.normal_form(text)


def find(text: str) -> Found:
    """The orders, at most CAP of each kind and the newest of them, that the text may mean. Two statements."""
    text = text.strip()
    digits = _SEPARATORS.sub("", text)
    # A number copied from a printed list has spaces in it; a sub-order's keeps its dash.
    number = digits if len(digits) == 16 and digits.isdigit() else text
    found: list[QuerySet[Any]] = [lookup.order_ids(text) for lookup in _lookups() if lookup.fits(text)]
    if is_order_number(number):
        found.append(Order.objects.filter(number=number).order_by().values("id"))
    if phone := phone_in(text):
        found += _by_phone(phone)
    order_ids = united(found) if found else set()
    looks_like_number = len(number) == 16 and number.isascii() and number.isdigit()
    return Found(frozenset(order_ids), looks_like_number and not order_ids and not is_order_number(number))


def _by_phone(phone: str) -> list[QuerySet[Any]]:
    # The buyer's phone is indexed only where it is not the recipient's.
    other_buyer = Q(buyer_phone=phone) & ~Q(buyer_phone=F("recipient_phone"))
    return [
        Order.objects.filter(condition).order_by("-id").values("id")[:CAP]
        for condition in (Q(recipient_phone=phone), other_buyer)
    ]


def _lookups() -> tuple[Lookup, ...]:
    return (*_OWN, *registry.lookups)


def short_text(text: str) -> bool:
    """Whether the text could be a number or code that somebody else made up."""
    return 0 < len(text) <= 64


def _is_sub_order_number(text: str) -> bool:
    return bool(_SUB_ORDER.fullmatch(text))


def _of_sub_order(text: str) -> QuerySet[Any]:
    return SubOrder.objects.filter(number=text).order_by().values("order_id")


def _of_external_number(text: str) -> QuerySet[Any]:
    return Order.objects.filter(external_number=text).order_by("-id").values("id")[:CAP]


def _of_sku(text: str) -> QuerySet[Any]:
    # Looked up first: joined, most searches, which mean no SKU, would be planned for the most-sold one.
    skus = list(Sku.objects.filter(code=text).values_list("id", flat=True))
    return OrderLine.objects.filter(sku__in=skus).order_by("-id").values("order_id")[:CAP]


def _of_callers_code(text: str) -> QuerySet[Any]:
    return OrderLine.objects.filter(caller_code=text).exclude(caller_code="").order_by("-id").values("order_id")[:CAP]


def _names_metadata(text: str) -> bool:
    return _METADATA.fullmatch(text) is not None


def _of_metadata(text: str) -> QuerySet[Any]:
    named = _METADATA.fullmatch(text)
    wanted = {named["key"]: named["value"]} if named else {}
    return OrderTerms.objects.filter(metadata__contains=wanted).order_by("-order_id").values("order_id")[:CAP]


tickets.register_search(lambda text: find(text).order_ids)

_OWN = (
    Lookup(_is_sub_order_number, _of_sub_order),
    Lookup(short_text, _of_external_number),
    Lookup(short_text, _of_sku),
    Lookup(short_text, _of_callers_code),
    Lookup(_names_metadata, _of_metadata),
)
