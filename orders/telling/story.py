"""The timeline in words: what the sentences of its events are put together from, in the reader's language."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.timezone import localtime
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from inventory.models import StorageClass
from oms.common.access.words import REASONS as LOOKED_BECAUSE
from oms.common.codebook import Codebook
from oms.common.messages.kinds import known as known_messages
from oms.common.models import MessageWay
from orders.models.cancel_reason import REASONS as CANCEL_REASONS
from orders.models.gift_rule import Dropped
from orders.models.note import ContactWay
from orders.models.order_link import CostBearer, ReissueReason
from orders.models.terms import Flag

Words = Mapping[str, Promise | str]

# What can be changed of an order, by the names that its events use.
CHANGED_WORDS: Words = {
    "name": _("recipient"),
    "phone": _("recipient's phone"),
    "region": _("region"),
    "region_code": _("region code"),
    "address": _("address"),
    "seller_memo": _("seller's memo"),
}

# Reasons and notes that the system writes; people type theirs.
REASONS = Codebook()
NOT_PAID_IN_TIME = "not_paid_in_time"
CHANNEL_CHANGED_THE_PRICE = "channel_changed_the_price"
CANCELLED_BY_MERCHANT = "cancelled_by_merchant"
EXCHANGE_OVER = "exchange_over"
REASONS.add(
    {
        NOT_PAID_IN_TIME: _("Not paid in time."),
        CHANNEL_CHANGED_THE_PRICE: _("The channel changed the price."),
        CANCELLED_BY_MERCHANT: _("Cancelled by the merchant."),
        EXCHANGE_OVER: _("The goods to be exchanged do not come back."),
    }
)
REASONS.add(CANCEL_REASONS)


class Data(dict[str, Any]):
    """An event's data for a sentence: what is missing becomes a dash."""

    def __missing__(self, key: str) -> str:
        return "–"


def fill(sentence: Promise | str, data: Mapping[str, Any]) -> str:
    """The sentence with the data in its places; lists are joined."""
    shown = {key: joined(value) if isinstance(value, list) else value for key, value in data.items()}
    return str(sentence) % Data(shown)


def joined(values: Iterable[Any]) -> str:
    """The values as a list in a sentence."""
    return gettext(", ").join(str(value) for value in values)


def word(words: Words, value: object) -> str:
    """The word for a code; the code itself where there is none."""
    return str(words.get(str(value), value))


def shortage_text(short: dict[str, int] | None) -> str:
    """Units that are short by SKU, in words: "P123 short by 2"."""
    return joined(
        gettext("%(sku)s short by %(units)s") % {"sku": sku, "units": units} for sku, units in (short or {}).items()
    )


def tell_unknown(code: str, data: dict[str, Any] | None) -> str:
    """An event of a kind that is no longer known: its code with its data."""
    name = code.replace("_", " ")
    if not data:
        return name
    shown = ", ".join(
        f"{key}: {value if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)}"
        for key, value in data.items()
    )
    return f"{name} ({shown})"


def why_cancelled(reason: str, cause: str) -> str:
    """The reason of a cancellation in words: that of the list (its name, or the code of one that comes with the system)
    and what was typed, as far as there is one."""
    shown = [REASONS.word(text) for text in dict.fromkeys((cause, reason)) if text]
    return gettext(": ").join(shown)


def _why(data: Data) -> str:
    return why_cancelled(str(data["reason"]), str(data.get("cause") or ""))


def tell_cancellation(data: Data) -> str:
    """Why the order was cancelled."""
    return gettext("The order was cancelled: %(reason)s") % {"reason": _why(data)}


def tell_cancel_request(data: Data) -> str:
    """Why the order is to be cancelled, and which of its parts a warehouse has."""
    sentence = _("Cancellation requested (%(reason)s); the warehouse is asked about %(numbers)s.")
    return fill(sentence, {**data, "reason": _why(data)})


def tell_split(data: Data) -> str:
    """What an order became."""
    parts = data.get("parts") or []
    described = joined(
        gettext("%(number)s (%(merchant)s, %(storage_class)s)")
        % {"number": number, "merchant": merchant, "storage_class": word(dict(StorageClass.choices), storage_class)}
        for number, merchant, storage_class in parts
    )
    return ngettext(
        "The order became one sub-order: %(parts)s.", "The order became %(count)s sub-orders: %(parts)s.", len(parts)
    ) % {"count": len(parts), "parts": described}


def tell_units(data: Data) -> str:
    """Which units were cancelled."""
    units = joined(f"{sku} × {count}" for sku, count in (data.get("units") or {}).items())
    return gettext("Cancelled in part (%(reason)s): %(units)s.") % {"reason": _why(data), "units": units}


def tell_recipient(data: Data) -> str:
    """What of the recipient was changed."""
    fields = joined(word(CHANGED_WORDS, name) for name in data.get("fields") or [])
    return gettext("The recipient was changed: %(fields)s.") % {"fields": fields}


_CHANGES: Words = {
    "add": _("goods added"),
    "remove": _("units taken out"),
    "adjust": _("price adjusted"),
    "freight": _("freight changed"),
    "recipient": _("recipient changed"),
    "appointment": _("appointment changed"),
    "split": _("sub-order split"),
    "merge": _("sub-orders merged"),
    "invoice": _("invoice asked for"),
    "exchange": _("goods exchanged"),
}


def tell_changed(data: Data) -> str:
    """What was changed of the order, from what to what."""
    units = [f"{sku} {before} → {after}" for sku, before, after in data.get("units") or []]
    freight = data.get("freight") or []
    shown = [word(_CHANGES, name) for name in data.get("what") or []]
    shown += units
    if freight:
        shown.append(gettext("freight ¥%(before)s → ¥%(after)s") % {"before": freight[0], "after": freight[1]})
    if window := data.get("appointment"):
        moments = [parse_datetime(str(at or "")) for at in window]
        told = [date_format(localtime(at), "SHORT_DATETIME_FORMAT") if at else "…" for at in moments]
        old, new = (" – ".join(told[i : i + 2]) if any(moments[i : i + 2]) else "–" for i in (0, 2))
        values = {"before": old, "after": new}
        shown.append(gettext("delivery %(before)s → %(after)s") % values)
    sentence = gettext("The order was changed (%(reason)s): %(changes)s. Owed: ¥%(before)s → ¥%(after)s.")
    return fill(sentence, {**data, "changes": shown})


def tell_change_waits(data: Data) -> str:
    """The buyer is asked for the balance of a change."""
    pay_by = parse_datetime(str(data.get("pay_by", "")))
    until = date_format(localtime(pay_by), "SHORT_DATETIME_FORMAT") if pay_by else "–"
    sentence = gettext("Change %(number)s costs ¥%(amount)s more: it is done once that is paid, until %(until)s.")
    return fill(sentence, {**data, "until": until})


def tell_change_asked(data: Data) -> str:
    """Warehouses are asked to give up what they have, for a new address."""
    due = parse_datetime(str(data.get("due", "")))
    until = date_format(localtime(due), "SHORT_DATETIME_FORMAT") if due else "–"
    sentence = gettext("Change %(number)s: %(warehouses)s should give it up for a new address by %(until)s.")
    return fill(sentence, {**data, "until": until})


_ENDS: Words = {
    "discarded": _("Change %(number)s was discarded."),
    "expired": _("Change %(number)s was not paid in time: the order stays as it was."),
    "failed": _("Change %(number)s could not be carried out any more; what was paid for it goes back."),
}


def tell_change_ended(data: Data) -> str:
    """A change that waited for its payment is over."""
    return fill(_ENDS.get(str(data.get("state")), _ENDS["discarded"]), data)


def tell_revealed(data: Data) -> str:
    """Why somebody looked at the recipient."""
    why = " · ".join(filter(None, [LOOKED_BECAUSE.word(data["reason"]), data.get("note")]))
    return gettext("Looked at name, phone and address: %(why)s.") % {"why": why}


def tell_marks(data: Data) -> str:
    """What the seller's marks are now."""
    flags = {flag.name.lower(): flag.label for flag in Flag}
    return gettext("The seller's memo or flag was changed; it has: %(flag)s.") % {"flag": word(flags, data["flag"])}


def tell_matched(data: Data) -> str:
    """What the codes of an order stand for."""
    matches = joined(
        gettext("%(code)s is %(goods)s")
        % {"code": code, "goods": " + ".join(f"{sku} × {units}" for sku, units in parts)}
        for code, parts in data.get("matches") or []
    )
    return gettext("The codes of the goods were matched: %(matches)s.") % {"matches": matches}


def tell_shortage(data: Data) -> str:
    """What a sub-order waits for."""
    short = shortage_text(data.get("short"))
    return gettext("Sub-order %(number)s waits for stock: %(short)s.") % {"number": data["number"], "short": short}


def tell_goods_day(data: Data) -> str:
    """On which day the goods of a sub-order should come now, where they were said to come on another."""
    values = {name: data.get(name, "") for name in ("number", "day", "before")}
    if values["day"]:
        return gettext("The goods for sub-order %(number)s should come on %(day)s, no longer on %(before)s.") % values
    return gettext("The goods for sub-order %(number)s do not come on %(before)s; nobody knows when.") % values


def tell_parted(data: Data) -> str:
    """Why a sub-order was split, and what was split off."""
    values = {
        "number": data["number"],
        "parts": joined(data.get("parts") or []),
        "short": shortage_text(data.get("short")),
    }
    if data.get("why") == "by_hand":
        return gettext("Sub-order %(number)s was split by hand. Split off: %(parts)s.") % values
    if data.get("why") == "partly_shipped":
        return gettext("Sub-order %(number)s left only in part. The rest is sourced anew as %(parts)s.") % values
    if values["short"]:
        return gettext("No warehouse has all of sub-order %(number)s: %(short)s. Split off: %(parts)s.") % values
    return gettext("No single warehouse has all of sub-order %(number)s. Split off: %(parts)s.") % values


def tell_merged(data: Data) -> str:
    """With what a sub-order goes in one parcel."""
    values = {"number": data["number"], "others": joined(data.get("others") or [])}
    return gettext("Sub-order %(number)s goes in one parcel with %(others)s of other orders.") % values


_UNMERGED = {
    "by_hand": _("somebody parted it from the others"),
    "recipient": _("the recipient was changed"),
    "no_longer_fits": _("it does not fit the others any more"),
    "left_alone": _("nothing is left that it could go with"),
    "order_held": _("its order is held"),
    "cancelling": _("it is being cancelled"),
    "cancelled": _("it was cancelled"),
    "moved": _("it goes from another warehouse"),
    "awaiting_allocation": _("another warehouse is looked for"),
    "backordered": _("it waits for stock"),
}


def tell_unmerged(data: Data) -> str:
    """Why a sub-order goes by itself again."""
    values = {"number": data["number"], "why": word(_UNMERGED, data["why"])}
    return gettext("Sub-order %(number)s goes by itself again: %(why)s.") % values


def tell_gift_dropped(data: Data) -> str:
    """Why a gift that a rule promised does not follow."""
    values = {name: data[name] for name in ("units", "sku", "rule")}
    values["why"] = word(dict(Dropped.choices), data["why"])
    return gettext("%(units)s × %(sku)s of rule “%(rule)s” does not follow: %(why)s.") % values


def tell_reissued(data: Data) -> str:
    """What is sent again, why, and who bears it."""
    units = joined(f"{sku} × {count}" for sku, count in (data.get("units") or {}).items())
    sentence = gettext("Sent again as order %(number)s: %(units)s (%(reason)s). %(bearer)s bears the cost.")
    return sentence % {"number": data["number"], "units": units, **_reason(data)}


def tell_follows(data: Data) -> str:
    """Why goods are sent again by this order, and who bears it."""
    if data["reason"] == ReissueReason.GIFT:
        sentence = gettext("Sent because of order %(number)s (%(reason)s). %(bearer)s bears the cost.")
    else:
        sentence = gettext("Goods of order %(number)s are sent again (%(reason)s). %(bearer)s bears the cost.")
    return sentence % {"number": data["number"], **_reason(data)}


def _reason(data: Data) -> dict[str, str]:
    reason = word(dict(ReissueReason.choices), data["reason"])
    note = str(data.get("note") or "")
    return {
        "reason": f"{reason}: {note}" if note else reason,
        "bearer": word(dict(CostBearer.choices), data.get("bearer") or ""),
    }


def tell_contacted(data: Data) -> str:
    """How staff and the buyer talked, whether they did at all, and what was said."""
    way = word(dict(ContactWay.choices), data["way"])
    if data.get("is_reached") is False:
        return gettext("%(way)s, not reached: %(text)s") % {"way": way, "text": data["text"]}
    return gettext("%(way)s: %(text)s") % {"way": way, "text": data["text"]}


def tell_messaged(data: Data) -> str:
    """What the buyer was written, by which way and where to."""
    kind = known_messages().get(str(data["message"]))
    values = {
        "way": word(dict(MessageWay.choices), data["way"]),
        "to": data["to"],
        "message": kind.title if kind else data["message"],
        "words": data.get("words") or "",
    }
    return (gettext("%(way)s to %(to)s: %(message)s %(words)s") % values).strip()
