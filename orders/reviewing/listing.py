"""Filling review lists from sheets: a row each, upserted, with what is wrong with it by its number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

from oms.common.files import tables
from oms.common.files.reader import header_key
from orders.models import ReviewList, ReviewListEntry

# What headers may be called, by the column.
HEADERS: Mapping[str, Sequence[str]] = {
    "value": ("value", "phone", "buyer", "word", "值", "手机号", "手机", "电话", "买家", "买家昵称", "关键词", "词"),
    "region_code": ("region_code", "region code", "地区编码", "行政区划代码"),
    "address": ("address", "地址", "详细地址"),
    "kind": ("kind", "类型"),
    "reason": ("reason", "原因"),
    "source": ("source", "来源"),
    "expires_at": ("expires_at", "expires", "到期", "到期时间", "有效期至"),
}
MOST_ROWS = 20_000
_KEYS = {header_key(header): column for column, headers in HEADERS.items() for header in headers}
_KIND_WORDS = {
    "phone": ReviewListEntry.Kind.PHONE,
    "手机": ReviewListEntry.Kind.PHONE,
    "手机号": ReviewListEntry.Kind.PHONE,
    "电话": ReviewListEntry.Kind.PHONE,
    "address": ReviewListEntry.Kind.ADDRESS,
    "地址": ReviewListEntry.Kind.ADDRESS,
    "buyer": ReviewListEntry.Kind.BUYER,
    "买家": ReviewListEntry.Kind.BUYER,
}


@dataclass(slots=True)
class Filled:
    """How many rows were added or put right, and what is wrong with the others, by their number in the file."""

    kept: int = 0
    wrong: dict[int, str] = field(default_factory=dict)


@transaction.atomic
def fill(review_list: ReviewList, table: tables.Table, *, by: str) -> Filled:
    """Add the rows to the list; one that is there already gets the new reason, source and expiry. Few statements
    however many rows. Raises tables.UnreadableFile for a table without a column that names values."""
    columns = [_KEYS.get(header_key(header), "") for header in table.headers]
    if not {"value", "address"} & set(columns):
        raise tables.UnreadableFile(_("The file has no column “value” or “address”."))
    if len(table.rows) > MOST_ROWS:
        raise tables.UnreadableFile(_("At most %(most)d rows at once.") % {"most": MOST_ROWS})
    result = Filled()
    by_value: dict[tuple[str, Any], ReviewListEntry] = {}
    for number, cells in table.rows:
        said = {column: cell.strip() for column, cell in zip(columns, cells, strict=True) if column and cell.strip()}
        if not said:
            continue
        try:
            entry = _entry(review_list, said, by)
        except ValidationError as error:
            result.wrong[number] = " ".join(error.messages)
            continue
        by_value[_key(entry)] = entry
        result.kept += 1
    _store(review_list, by_value)
    return result


def _entry(review_list: ReviewList, said: Mapping[str, str], by: str) -> ReviewListEntry:
    kind = ReviewListEntry.Kind.WORD if review_list.kind == ReviewList.Kind.WORDS else _kind(said)
    value = said.get("value", "")
    entry = ReviewListEntry(
        review_list=review_list,
        kind=kind,
        phone=value if kind == ReviewListEntry.Kind.PHONE else "",
        text=value if kind in (ReviewListEntry.Kind.BUYER, ReviewListEntry.Kind.WORD) else "",
        region_code=said.get("region_code", "") if kind == ReviewListEntry.Kind.ADDRESS else "",
        address=said.get("address", value) if kind == ReviewListEntry.Kind.ADDRESS else "",
        reason=said.get("reason", ""),
        source=said.get("source", ""),
        expires_at=_moment(said.get("expires_at", "")),
        created_by=by,
    )
    entry.full_clean(exclude=["review_list"], validate_unique=False, validate_constraints=False)
    return entry


def _kind(said: Mapping[str, str]) -> str:
    word = said.get("kind", "").lower()
    if not word:
        return ReviewListEntry.Kind.ADDRESS if said.get("address") else ReviewListEntry.Kind.PHONE
    if word not in _KIND_WORDS:
        raise ValidationError(_("“%(kind)s” is no kind: give phone, address or buyer.") % {"kind": word})
    return _KIND_WORDS[word]


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = parse_datetime(text.replace("/", "-"))
        day = None if moment else parse_date(text.replace("/", "-")[:10])
    except ValueError:
        moment = day = None
    if moment is None and day is None:
        raise ValidationError(_("“%(text)s” is no day: write it like 2026-12-31.") % {"text": text})
    moment = moment or datetime.combine(day or timezone.localdate(), time(23, 59, 59))
    return timezone.make_aware(moment) if timezone.is_naive(moment) else moment


def _key(entry: ReviewListEntry) -> tuple[str, Any]:
    return entry.kind, entry.phone or entry.text or entry.address_key


def _store(review_list: ReviewList, by_value: Mapping[tuple[str, Any], ReviewListEntry]) -> None:
    """New values are inserted, known ones take over what was said last."""
    ReviewList.objects.select_for_update().get(pk=review_list.pk)
    known = {_key(entry): entry for entry in ReviewListEntry.objects.filter(review_list=review_list)}
    changed = []
    for key, entry in by_value.items():
        if key in known:
            row = known[key]
            row.reason, row.source, row.expires_at, row.is_active = entry.reason, entry.source, entry.expires_at, True
            changed.append(row)
    ReviewListEntry.objects.bulk_update(changed, ["reason", "source", "expires_at", "is_active"], batch_size=1000)
    new = [entry for key, entry in by_value.items() if key not in known]
    ReviewListEntry.objects.bulk_create(new, batch_size=1000)
