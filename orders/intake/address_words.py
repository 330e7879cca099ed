"""Orders are found by words of their addresses: each pair of neighbouring characters is a number in an index.

PostgreSQL's own index of parts of texts (pg_trgm) is not among what the embedded server has. The index is written some
seconds after the orders, so that intake does not pay for it.
"""

import re
from collections.abc import Iterable
from itertools import pairwise
from unicodedata import normalize
from zlib import crc32

from django.db import connection
from django.db.models import Q, QuerySet

from inventory.models import Region
from orders.models import AddressWords, Order

# Of so many orders before the last one that was written, some may have come later than orders after them.
OVERLAP = 20_000
_NOISE = re.compile(r"[\W_]+")
# What everybody's address has says nothing.
_REGIONS = re.compile(r".{2,7}(?:省|市|自治区|特别行政区)|北京|上海|天津|重庆")
# A province and a city with which a word begins, as when a whole address is pasted.
_HEAD = re.compile(
    r"(?P<province>(?:北京|上海|天津|重庆)市?|.{2,7}?(?:省|自治区|特别行政区))?(?P<city>.{2,11}?(?:市|自治州|地区|盟))?"
)


def pairs_of(district: str, address: str) -> list[int]:
    """A number (signed, 32 bits) for each pair of neighbouring characters of an address, blanks and signs left out."""
    return _numbers(["".join(_words(f"{district} {address}"))])


def wanted_pairs(text: str) -> list[int]:
    """Those that an address must have which the text names parts of: of each word but names of provinces and cities.
    Empty where nothing is left that could be looked for."""
    return _numbers(word for word in _words(text) if not _REGIONS.fullmatch(word))


def found_at(text: str) -> QuerySet[AddressWords]:
    """The words of the addresses that the text names parts of, of orders to the provinces and cities that it begins
    with, where they are known. A statement for each word that begins so."""
    rows, words = AddressWords.objects.all(), []
    for word in _words(text):
        head = _HEAD.match(word)
        regions = _regions(head["province"], head["city"]) if head and head.end() else []
        if head and regions:
            rows = rows.filter(order__region__in=regions)
            words.append(word[head.end() :])
        elif not _REGIONS.fullmatch(word):
            words.append(word)
    pairs = _numbers(words)
    return rows.filter(pairs__contains=pairs) if pairs else rows.none()


def _regions(province: str | None, city: str | None) -> list[str]:
    """Codes of the divisions there; a city may be one of a county's rank."""
    found = Region.objects.filter(province__startswith=province or "")
    if city:
        found = found.filter(Q(city=city) | Q(district=city))
    return list(found.values_list("code", flat=True))


def write(limit: int = 20_000) -> int:
    """Write the words of up to `limit` new orders; returns how many were written. Two statements for a thousand."""
    written = 0
    while written < limit and (rows := _missing()):
        AddressWords.objects.bulk_create(
            [AddressWords(order_id=order, pairs=pairs_of(*place)) for order, *place in rows],
            ignore_conflicts=True,
        )
        written += len(rows)
    return written


def rewrite(order_id: int) -> None:
    """The address of the order (locked) has changed."""
    order = Order.objects.select_related("region").only("recipient_address", "region__district").get(pk=order_id)
    district = order.region.district if order.region else ""
    AddressWords.objects.filter(order=order_id).update(pairs=pairs_of(district, order.recipient_address))


def forget(order_ids: Iterable[int]) -> None:
    """The addresses of these orders are no more."""
    AddressWords.objects.filter(order__in=order_ids).delete()


def _numbers(words: Iterable[str]) -> list[int]:
    return sorted({crc32(f"{one}{other}".encode()) - 2**31 for word in words for one, other in pairwise(word)})


def _words(text: str) -> list[str]:
    return _NOISE.sub(" ", normalize("NFKC", text)).lower().split()


def _missing() -> list[tuple[int, str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT o.id, coalesce(r.district, ''), o.recipient_address
            FROM orders_order o LEFT JOIN inventory_region r ON r.code = o.region_id
            WHERE o.id > coalesce((SELECT max(order_id) FROM orders_addresswords), 0) - %s
              AND o.recipient_address <> ''
              AND NOT EXISTS (SELECT FROM orders_addresswords w WHERE w.order_id = o.id)
            ORDER BY o.id LIMIT 1000
            """,
            [OVERLAP],
        )
        return cursor.fetchall()
