"""The page of changes in words: what a draft wants, what is wrong with it and of which goods, and what a preview says
of delivery."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from inventory.promising.quoting import Quote
from inventory.promising.words import sentence
from oms.common.errors import FieldError
from oms.common.money import fen_text
from oms.common.templatetags.staff import moment_text
from orders.admin.change_parts import sentences
from orders.changing.sets.previewing import SetPreview
from orders.models import Order
from orders.telling.story import CHANGED_WORDS, word

Told = Mapping[str, Any]


def levels_of(quote: Quote) -> list[tuple[str, str, str]]:
    """What of the quote can be promised: the service level, by when, and for how much."""
    return [
        (offer.level.name, moment_text(offer.latest_at), fen_text(offer.freight_fen))
        for offer in quote.offers
        if offer.is_possible and offer.carriages
    ]


def _moments(window: Iterable[datetime | None]) -> str:
    """From when until when."""
    return " – ".join(moment_text(at) if at else "…" for at in window)


def quoted(preview: SetPreview | None) -> dict[str, Any]:
    """Where what is added would come from, and by when it is promised; nothing where nothing is added."""
    if preview is None or preview.quote is None:
        return {}
    return {
        "parcels": [
            {
                "warehouse": parcel.warehouse,
                "units": sum(count for _place, count in parcel.contents),
                "why": sentence(parcel.why.as_json()) if parcel.why else "",
                "expected_on": parcel.expected_on,
            }
            for parcel in preview.quote.parcels
        ],
        "levels": levels_of(preview.quote),
    }


def fields_changed(preview: SetPreview | None, *, with_recipient: bool) -> list[tuple[str, str, str]]:
    """What of recipient and delivery changes: its name, old, new."""
    if preview is None:
        return []
    found = []
    if with_recipient:
        found = [
            (capfirst(word(CHANGED_WORDS, name)), old, new)
            for name, (old, new) in preview.recipient.items()
            if name != "region_code"
        ]
    if preview.appointment:
        old, new = (_moments(window) if any(window) else "–" for window in preview.appointment)
        found.append((_("Delivery wished for"), old, new))
    return found


def region_kept(order: Order, preview: SetPreview | None) -> str:
    """That a new address leaves the region as it is, where it does; empty where not."""
    if preview is None or "address" not in preview.recipient or "region" in preview.recipient:
        return ""
    return _("The address names no other region: %(region)s stays.") % {"region": order.region or "–"}


def draft_in_words(order: Order, wish: Sequence[Told]) -> list[str]:
    """What a draft wants, an action a sentence; personal data stays out."""
    names = {line.position: line.sku_code or line.caller_code for line in order.lines.all()}
    return [text for one in wish if (text := _in_words(one, names))] + sentences(wish)


def _in_words(one: Told, names: Mapping[int, str]) -> str:
    line = names.get(one.get("line", 0), "")
    match one["do"]:
        case "quantity":
            return _("%(sku)s: %(units)s units") % {"sku": line, "units": one["quantity"]}
        case "add":
            return _("%(sku)s × %(units)s added") % {"sku": one["sku"], "units": one["quantity"]}
        case "gift":
            return _("%(sku)s × %(units)s as a gift") % {"sku": one["sku"], "units": one["quantity"]}
        case "adjust":
            return _("%(what)s: price ¥%(amount)s") % {"what": line or _("The order"), "amount": one["amount"]}
        case "freight":
            return _("Freight ¥%(amount)s") % {"amount": one["amount"]}
        case "recipient":
            fields = [name for name in ("name", "phone", "region_code", "address") if one.get(name)]
            return _("Another %(fields)s") % {"fields": _(", ").join(word(CHANGED_WORDS, name) for name in fields)}
        case "appointment":
            told = (parse_datetime(str(one.get(name) or "")) for name in ("delivery_from", "delivery_until"))
            return f"{_('Delivery wished for')}: {_moments(told)}"
        case "invoice":
            return _("An invoice is asked for")
        case "exchange":
            return _("Goods are exchanged")
    return ""


def wrong_in_words(order: Order, wish: Sequence[Told], errors: Iterable[FieldError]) -> list[str]:
    """What is wrong with a change; what is wrong with some goods names them."""
    names = {line.position: line.sku_code or line.caller_code for line in order.lines.all()}
    found = []
    for error in errors:
        _actions, place, *_rest = [*(error.attr or "").split("."), "", ""]
        one = wish[int(place)] if place.isdigit() and int(place) < len(wish) else {}
        goods = one.get("sku") or names.get(one.get("line", 0), "")
        found.append(f"{goods}: {error.detail}" if goods and goods not in error.detail else error.detail)
    return found
