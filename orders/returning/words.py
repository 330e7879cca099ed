"""How the timeline words what happens to returns."""

from django.utils.translation import gettext

from oms.merchants.models import ExchangeLeaves
from orders.models.exchange import ExchangeEnd
from orders.models.return_request import Found, PaysWayBack, ReturnKind
from orders.returning import tracks
from orders.telling import story


def tell_requested(data: story.Data) -> str:
    """That a return was asked for."""
    sentence = gettext("Return %(number)s was asked for: %(wanted)s.")
    return story.fill(sentence, {**data, "wanted": story.word(dict(ReturnKind.choices), data["wanted"])})


def tell_approved(data: story.Data) -> str:
    """That a return was approved, and where the goods go."""
    if not data.get("warehouse"):
        return story.fill(gettext("Return %(number)s was approved; the buyer keeps the goods."), data)
    return story.fill(gettext("Return %(number)s was approved; the goods go to warehouse %(warehouse)s."), data)


def tell_cancelled(data: story.Data) -> str:
    """That a return was cancelled, and why."""
    sentence = gettext("Return %(number)s was cancelled: %(why)s")
    return story.fill(sentence, {**data, "why": story.REASONS.word(str(data.get("why") or "–"))})


def tell_not_repaired(data: story.Data) -> str:
    """That goods cannot be repaired, why, and what the buyer gets instead."""
    if data.get("instead") == ReturnKind.EXCHANGE:
        sentence = gettext("The goods of return %(number)s cannot be repaired (%(why)s): the same are sent anew.")
    else:
        sentence = gettext("The goods of return %(number)s cannot be repaired (%(why)s): their money goes back.")
    return story.fill(sentence, data)


def tell_inspected(data: story.Data) -> str:
    """What inspection found in the end."""
    return _tell_found(gettext("The goods of return %(number)s were inspected: %(found)s."), data)


def tell_partly_inspected(data: story.Data) -> str:
    """What inspection found so far."""
    return _tell_found(gettext("Of the goods of return %(number)s, so far: %(found)s."), data)


def _tell_found(sentence: str, data: story.Data) -> str:
    words = dict(Found.choices)
    found = data["found"] if isinstance(data["found"], dict) else {}
    text = ", ".join(f"{story.word(words, code)} {count}" for code, count in found.items())
    return story.fill(sentence, {**data, "found": text})


def tell_scanned(data: story.Data) -> str:
    """What the carrier said of a parcel on its way back."""
    sentence = gettext("Parcel %(waybill)s of return %(number)s: %(state)s %(location)s %(text)s")
    return story.fill(sentence, {**data, "state": tracks.state_word(str(data.get("state", "")))}).strip()


def tell_way_back(data: story.Data) -> str:
    """Who bears the way back, and what it cost."""
    sentence = gettext("The way back of return %(number)s cost ¥%(cost)s; borne by: %(bearer)s.")
    return story.fill(sentence, {**data, "bearer": story.word(dict(PaysWayBack.choices), data["bearer"])})


def tell_exchanged(data: story.Data) -> str:
    """Which order sends what for the goods that come back, what of it they pay, and when it leaves."""
    units = story.joined(f"{sku} × {count}" for sku, count in (data.get("units") or {}).items())
    sentence = gettext(
        "Exchange of return %(number)s: order %(order)s sends %(units)s. The goods pay ¥%(credit)s of it."
    )
    if data.get("to_pay") not in (None, "", "0.00"):
        sentence += " " + gettext("The buyer is asked for ¥%(to_pay)s.")
    sentence += " " + gettext("It leaves: %(leaves)s.")
    leaves = story.word(dict(ExchangeLeaves.choices), data.get("leaves") or "")
    return story.fill(sentence, {**data, "units": units, "leaves": leaves})


def tell_exchange_ended(data: story.Data) -> str:
    """Why an exchange was given up."""
    sentence = gettext("The exchange of return %(number)s was given up: %(why)s")
    return story.fill(sentence, {**data, "why": story.word(dict(ExchangeEnd.choices), data.get("why") or "")})
