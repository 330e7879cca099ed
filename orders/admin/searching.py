"""The one search box: it recognises what was typed and looks it up by equality, each kind through its own index.

Where nothing is called exactly so, it looks for what ends or begins so: the end of a phone or waybill, a name, a buyer,
goods by their name, words of an address. Each of these has an index of its own, too.
"""

import re
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inventory.models import UNKNOWN_GOODS, Sku
from oms.common import phones, tickets
from oms.common.desk.lists import united
from oms.common.numbering import is_order_number
from oms.common.postgresql.tails import LONGEST_TAIL, Tail
from orders.asked.panels import Lookup, registry
from orders.intake import address_words
from orders.models import Order, OrderLine, OrderTerms, SubOrder

# More orders than this nobody looks through; they should filter instead.
CAP = 1_000
# So many of the goods that are called so are looked for in orders.
MOST_SKUS = 200
_SEPARATORS = re.compile(r"[\s\-()（）]+")
_METADATA = re.compile(r"(?:metadata\.)?(?P<key>[A-Za-z0-9_.-]{1,40})=(?P<value>[^\x00]{1,500})", re.ASCII)
_SUB_ORDER = re.compile(r"\d{16}(-\d+)+")


@dataclass(frozen=True, slots=True)
class Found:
    """What a search gave: ids of orders, whether the text looks like an order number with a typing slip, and as what
    the text was looked up (lazy words)."""

    order_ids: frozenset[int]
    is_mistyped_number: bool
    tried: tuple[Any, ...] = ()


def phone_in(text: str) -> str | None:
    """The phone number that the text is, in its normal form; else None."""
    return phones.normal_form(text)


def find(text: str) -> Found:
    """The orders, at most CAP of each kind and the newest of them, that the text may mean. Two statements; where
    nothing is called exactly so, two more."""
    text = text.strip()
    digits = _SEPARATORS.sub("", text)
    # A number copied from a printed list has spaces in it; a sub-order's keeps its dash.
    number = digits if len(digits) == 16 and digits.isdigit() else text
    exact = [lookup for lookup in _lookups() if not lookup.is_loose and lookup.fits(text)]
    found: list[QuerySet[Any]] = [lookup.order_ids(text) for lookup in exact]
    tried = [lookup.title for lookup in exact]
    if is_order_number(number):
        found.append(Order.objects.filter(number=number).order_by().values("id"))
        tried.insert(0, _("order number"))
    if phone := phone_in(text):
        found += _by_phone(phone)
        tried.append(_("phone"))
    order_ids = united(found) if found else set()
    looks_like_number = len(number) == 16 and number.isascii() and number.isdigit()
    is_mistyped = looks_like_number and not order_ids and not is_order_number(number)
    if not order_ids and not is_mistyped:
        loose = [lookup for lookup in _lookups() if lookup.is_loose and lookup.fits(text)]
        order_ids = united(lookup.order_ids(text) for lookup in loose) if loose else set()
        tried += [lookup.title for lookup in loose]
    return Found(frozenset(order_ids), is_mistyped, tuple(dict.fromkeys(tried)))


def nothing_found(text: str, found: Found) -> str:
    """That nothing was found, as what it was looked for, and what else can be done."""
    words = _("Nothing is called “%(text)s”. Looked for it as: %(tried)s. Try the whole number, or fewer words.")
    if _is_letter(text.strip()):
        words = _(
            "Nothing is called “%(text)s”. Looked for it as: %(tried)s. Names are found by their first two characters,"
            " addresses by three, ends of phones by four digits."
        )
    return words % {"text": text[:40], "tried": _(", ").join(map(str, found.tried)) or "–"}


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


def _is_phone_tail(text: str) -> bool:
    digits = _SEPARATORS.sub("", text)
    return LONGEST_TAIL <= len(digits) < 11 and digits.isascii() and digits.isdigit()


def _of_phone_tail(text: str) -> QuerySet[Any]:
    digits = _SEPARATORS.sub("", text)
    rows = Order.objects.annotate(tail=Tail("recipient_phone")).filter(tail=digits[-LONGEST_TAIL:])
    return rows.filter(recipient_phone__endswith=digits).order_by("-id").values("id")[:CAP]


def _is_letter(text: str) -> bool:
    # As a beginning it would be that of a tenth of all people, for whom nobody looks.
    return len(text) == 1 and text.isalpha()


def _of_whole_name(text: str) -> QuerySet[Any]:
    return Order.objects.filter(recipient_name=text).order_by("-id").values("id")[:CAP]


def _of_buyers_whole_name(text: str) -> QuerySet[Any]:
    other = Order.objects.exclude(buyer_name=F("recipient_name"))
    return other.filter(buyer_name=text).order_by("-id").values("id")[:CAP]


def _is_name(text: str) -> bool:
    return 2 <= len(text) <= 40 and not text.isdigit() and any(char.isalpha() for char in text)


def _of_recipient(text: str) -> QuerySet[Any]:
    return Order.objects.filter(recipient_name__startswith=text).order_by("-id").values("id")[:CAP]


def _of_buyers_name(text: str) -> QuerySet[Any]:
    other = Order.objects.exclude(buyer_name=F("recipient_name"))
    return other.filter(buyer_name__startswith=text).order_by("-id").values("id")[:CAP]


def _of_buyer(text: str) -> QuerySet[Any]:
    return Order.objects.filter(buyer_reference=text).order_by("-ordered_at").values("id")[:CAP]


def _of_product(text: str) -> QuerySet[Any]:
    # Looked up first, as codes are; the catalogue is small beside the orders.
    skus = list(Sku.objects.filter(name__icontains=text).order_by("-id").values_list("id", flat=True)[:MOST_SKUS])
    return OrderLine.objects.filter(sku__in=skus).order_by("-id").values("order_id")[:CAP]


def _of_unknown_product(text: str) -> QuerySet[Any]:
    # What nobody has matched with an SKU yet is called as its channel calls it.
    unknown = Sku._base_manager.filter(code=UNKNOWN_GOODS).order_by().values("id")
    lines = OrderLine.objects.filter(sku__in=unknown, name__icontains=text)
    return lines.order_by("-id").values("order_id")[:CAP]


def _names_an_address(text: str) -> bool:
    # Fewer characters stand in many thousands of addresses.
    return 3 <= len(text) <= 100 and any(char.isalpha() for char in text) and bool(address_words.wanted_pairs(text))


def _of_address(text: str) -> QuerySet[Any]:
    return address_words.found_at(text).order_by("-order_id").values("order_id")[:CAP]


def _of_metadata(text: str) -> QuerySet[Any]:
    named = _METADATA.fullmatch(text)
    wanted = {named["key"]: named["value"]} if named else {}
    return OrderTerms.objects.filter(metadata__contains=wanted).order_by("-order_id").values("order_id")[:CAP]


tickets.register_search(lambda text: find(text).order_ids)

_OWN = (
    Lookup(_is_sub_order_number, _of_sub_order, gettext_lazy("sub-order number")),
    Lookup(short_text, _of_external_number, gettext_lazy("external number")),
    Lookup(short_text, _of_sku, gettext_lazy("SKU code")),
    Lookup(short_text, _of_callers_code, gettext_lazy("caller's code")),
    Lookup(_names_metadata, _of_metadata, gettext_lazy("metadata")),
    Lookup(_is_phone_tail, _of_phone_tail, gettext_lazy("end of a phone"), is_loose=True),
    Lookup(_is_letter, _of_whole_name, gettext_lazy("whole name"), is_loose=True),
    Lookup(_is_letter, _of_buyers_whole_name, gettext_lazy("whole name"), is_loose=True),
    Lookup(_is_name, _of_recipient, gettext_lazy("recipient"), is_loose=True),
    Lookup(_is_name, _of_buyers_name, gettext_lazy("buyer"), is_loose=True),
    Lookup(short_text, _of_buyer, gettext_lazy("buyer"), is_loose=True),
    Lookup(_is_name, _of_product, gettext_lazy("product"), is_loose=True),
    Lookup(_is_name, _of_unknown_product, gettext_lazy("product"), is_loose=True),
    Lookup(_names_an_address, _of_address, gettext_lazy("address"), is_loose=True),
)
