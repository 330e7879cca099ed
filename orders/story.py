"""The timeline in words: what each event says to staff, in the reader's language."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from inventory.models import StorageClass
from orders.models import OrderEvent

# Events that are a sentence around their data, by kind. A key that the data lacks shows as a dash.
_SENTENCES: dict[str, Promise | str] = {
    "received": _("The order was received."),
    "review_started": _("Paid for; the review begins."),
    "held": _("Held: %(reason)s"),
    "approved": _("The review found nothing more to hold; the order may be split."),
    "allocated": _("Sub-order %(number)s: warehouse %(warehouse)s was chosen and the stock reserved."),
    "released": _("Sub-order %(number)s was sent to warehouse %(warehouse)s."),
    "warehouse_accepted": _("Warehouse %(warehouse)s accepted sub-order %(number)s."),
    "warehouse_picking": _("Warehouse %(warehouse)s is picking sub-order %(number)s."),
    "warehouse_packed": _("Warehouse %(warehouse)s packed sub-order %(number)s."),
    "warehouse_shipped": _("Sub-order %(number)s left warehouse %(warehouse)s."),
    "waybill": _("Sub-order %(number)s: %(carrier)s issued waybill %(waybill)s."),
    "taken_back": _("Sub-order %(number)s is back in warehouse %(warehouse)s."),
    "delivered": _("Sub-order %(number)s was delivered."),
    "virtual_delivered": _("Sub-order %(number)s: the virtual goods were delivered to the buyer."),
    "receipt_confirmed": _("The buyer confirmed the receipt of sub-order %(number)s."),
    "sub_order_completed": _("Sub-order %(number)s is completed."),
    "sub_order_cancelled": _("Sub-order %(number)s was cancelled."),
    "completed": _("The order is completed."),
    "closed": _("The order is closed: everything was refused or came back."),
    "cancelled": _("The order was cancelled: %(reason)s"),
    "cancel_requested": _("Cancellation requested (%(reason)s); the warehouse is asked about %(numbers)s."),
    "cancel_refused": _("The warehouse could not stop sub-order %(number)s any more."),
    "release_undone": _("The warehouse got sub-order %(number)s after its cancellation, and was told to drop it."),
    "payment_requested": _("%(amount)s yuan were requested through %(provider)s."),
    "paid": _("%(amount)s yuan were paid through %(provider)s."),
    "captured_twice": _("%(provider)s reported payment %(number)s once more: %(amount)s yuan, notice %(notice)s."),
    "payment_failed": _("The payment of %(amount)s yuan through %(provider)s failed."),
    "payment_expired": _("Payment %(number)s is not asked for any more."),
    "paid_out": _("Refund %(number)s of %(amount)s yuan was paid out by hand: %(note)s"),
    "refunded": _("Refund %(number)s: %(amount)s yuan went back to the buyer."),
    "refund_failed": _("Refund %(number)s of %(amount)s yuan failed."),
    "settled": _("Sub-order %(number)s: %(net)s yuan are due to the merchant."),
    "note": _("Note: %(text)s"),
    "merchant_note": _("Note of the merchant: %(text)s"),
    "recipient_changed": _("The recipient was changed: %(fields)s."),
    "sourced_anew": _("Sub-order %(number)s goes to another region: its warehouse is chosen anew."),
    "imported": _("The order was imported as it ended elsewhere."),
    "retried": _("%(number)s was given back to its stage to try again."),
}

_SCANS: dict[str, Promise | str] = {
    "collected": _("The carrier has the parcel"),
    "in_transit": _("The parcel is on its way"),
    "out_for_delivery": _("A courier is bringing the parcel"),
    "failed_delivery": _("The delivery failed"),
    "intercepting": _("The carrier is asked to stop the parcel"),
    "signed": _("The parcel was signed for"),
    "rejected": _("The buyer refused the parcel"),
    "returning": _("The parcel is on its way back"),
    "returned": _("The parcel is back in the warehouse"),
    "lost": _("The parcel is lost"),
}

_ALERTS: dict[str, Promise | str] = {
    "alert_opened": _("Alert on %(number)s (%(level)s): %(alert)s."),
    "alert_escalated": _("The alert on %(number)s was raised to %(level)s: %(alert)s."),
    "alert_closed": _("The alert on %(number)s is closed: %(alert)s."),
}

# Words of apps above this one, which may not be imported: the values that alerts and refunds carry.
_ALERT_KINDS: dict[str, Promise | str] = {
    "warehouse_late": _("Warehouse late"),
    "dispatch_late": _("Waybill late"),
    "no_pickup": _("Not picked up"),
    "no_news": _("No news"),
    "not_signed": _("Not signed for"),
}
_LEVELS: dict[str, Promise | str] = {"1": _("Warning"), "2": _("Exception"), "3": _("Critical")}
REFUND_REASONS: dict[str, Promise | str] = {
    "cancelled": _("the order was cancelled"),
    "sub_order_cancelled": _("a sub-order was cancelled"),
    "returned": _("the parcel came back"),
    "rejected": _("the buyer refused the parcel"),
    "overpaid": _("more was paid than is due"),
}


class _Data(dict[str, Any]):
    """Event data for a sentence: lists are joined, what is missing becomes a dash."""

    def __missing__(self, key: str) -> str:
        return "–"


def tell(event: OrderEvent) -> str:
    """What the event says, in the active language. Unknown kinds are shown as they are, with their data."""
    data = _Data(
        {key: _joined(value) if isinstance(value, list) else value for key, value in (event.data or {}).items()}
    )
    kind = event.kind
    special = _SPECIAL.get(kind)
    if special:
        return special(event.data or {}, data)
    if kind == "returned" and not data.get("waybill"):
        # The sub-order's own event, beside the scan of the same name.
        kind = "taken_back"
    if kind in _SCANS:
        return _tell_scan(str(_SCANS[kind]), data)
    if kind in _ALERTS:
        return str(_ALERTS[kind]) % {
            "number": data["number"],
            "alert": _word(_ALERT_KINDS, data["alert"]),
            "level": _word(_LEVELS, data["level"]),
        }
    if kind in _SENTENCES:
        return str(_SENTENCES[kind]) % data
    return _tell_unknown(kind, event.data)


def _joined(values: Iterable[Any]) -> str:
    return gettext(", ").join(str(value) for value in values)


def _word(words: dict[str, Promise | str], value: object) -> str:
    return str(words.get(str(value), value))


def shortage_text(short: dict[str, int] | None) -> str:
    """Units that are short by SKU, in words: "P123 short by 2"."""
    return _joined(
        gettext("%(sku)s short by %(units)s") % {"sku": sku, "units": units} for sku, units in (short or {}).items()
    )


def _tell_release(raw: dict[str, Any], data: _Data) -> str:
    if raw.get("note"):
        return gettext("Hold released (%(reason)s): %(note)s") % data
    return gettext("Hold released (%(reason)s).") % data


def _tell_split(raw: dict[str, Any], data: _Data) -> str:
    parts = raw.get("parts") or []
    described = _joined(
        gettext("%(number)s (%(merchant)s, %(storage_class)s)")
        % {"number": number, "merchant": merchant, "storage_class": _storage_class(storage_class)}
        for number, merchant, storage_class in parts
    )
    return ngettext(
        "The order became one sub-order: %(parts)s.", "The order became %(count)s sub-orders: %(parts)s.", len(parts)
    ) % {"count": len(parts), "parts": described}


def _storage_class(value: str) -> str:
    return str(StorageClass(value).label) if value in StorageClass.values else value


def _tell_units(raw: dict[str, Any], data: _Data) -> str:
    units = _joined(f"{sku} × {count}" for sku, count in (raw.get("units") or {}).items())
    return gettext("Cancelled in part (%(reason)s): %(units)s.") % {"reason": data["reason"], "units": units}


def _tell_shortage(raw: dict[str, Any], data: _Data) -> str:
    return gettext("Sub-order %(number)s waits for stock: %(short)s.") % {
        "number": data["number"],
        "short": shortage_text(raw.get("short")),
    }


def _tell_parted(raw: dict[str, Any], data: _Data) -> str:
    values = {"number": data["number"], "parts": data["parts"], "short": shortage_text(raw.get("short"))}
    if raw.get("why") == "partly_shipped":
        return gettext("Sub-order %(number)s left only in part. The rest is sourced anew as %(parts)s.") % values
    if raw.get("short"):
        return gettext("No warehouse has all of sub-order %(number)s: %(short)s. Split off: %(parts)s.") % values
    return gettext("No single warehouse has all of sub-order %(number)s. Split off: %(parts)s.") % values


def _tell_refusal(raw: dict[str, Any], data: _Data) -> str:
    if raw.get("text"):
        return gettext("Warehouse %(warehouse)s refused sub-order %(number)s: %(text)s") % data
    return gettext("Warehouse %(warehouse)s refused sub-order %(number)s.") % data


def _tell_refund(raw: dict[str, Any], data: _Data) -> str:
    return gettext("Refund %(number)s of %(amount)s yuan is due: %(reason)s.") % {
        "number": data["number"],
        "amount": data["amount"],
        "reason": _word(REFUND_REASONS, data["reason"]),
    }


def _tell_scan(what: str, data: _Data) -> str:
    values = {
        "what": what,
        "parcel": data.get("waybill") or data["number"],
        "detail": " · ".join(str(data[key]) for key in ("location", "text") if data.get(key)),
    }
    return (
        gettext("%(what)s (%(parcel)s): %(detail)s") if values["detail"] else gettext("%(what)s (%(parcel)s).")
    ) % values


def _tell_unknown(kind: str, data: dict[str, Any] | None) -> str:
    name = kind.replace("_", " ")
    if not data:
        return name
    shown = ", ".join(
        f"{key}: {value if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)}"
        for key, value in data.items()
    )
    return f"{name} ({shown})"


_SPECIAL: dict[str, Callable[[dict[str, Any], _Data], str]] = {
    "hold_released": _tell_release,
    "split": _tell_split,
    "units_cancelled": _tell_units,
    "backordered": _tell_shortage,
    "parted": _tell_parted,
    "warehouse_refused": _tell_refusal,
    "refund_intended": _tell_refund,
}
