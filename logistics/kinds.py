"""The kinds of timeline events about warehouses, parcels, virtual goods and alerts; see `orders.kinds`."""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from logistics.carriers.refusing import OwnRefusal
from logistics.models import ClaimState, LogisticsAlert, ShipmentState
from orders.actors import name_actors
from orders.kinds import EventKind, Tone, event
from orders.models.terms import CarrierClass, UnmetWish
from orders.telling import story


def _tell_refusal(data: story.Data) -> str:
    if data.get("text"):
        return gettext("Warehouse %(warehouse)s refused sub-order %(number)s: %(text)s") % data
    return gettext("Warehouse %(warehouse)s refused sub-order %(number)s.") % data


def _tell_refused_waybill(data: story.Data) -> str:
    text = story.word(dict(OwnRefusal.choices), data["text"])
    values = {"number": data["number"], "carrier": data["carrier"], "text": text}
    return gettext("Sub-order %(number)s: %(carrier)s gave no waybill: %(text)s") % values


def _tell_claim(data: story.Data) -> str:
    values = {
        "waybill": data["waybill"],
        "number": data["number"],
        "state": story.word(dict(ClaimState.choices), data["state"]),
        "amount": data["amount"],
    }
    return gettext("Claim on parcel %(waybill)s of %(number)s: %(state)s, %(amount)s yuan.") % values


def _tell_unmet_wish(data: story.Data) -> str:
    values = {
        "number": data["number"],
        "wished": story.word(dict(CarrierClass.choices), data["wished"]),
        "carrier": data["carrier"],
        "why": story.word(dict(UnmetWish.choices), data["why"]),
    }
    return gettext("Sub-order %(number)s goes by %(carrier)s, though %(wished)s was wished for: %(why)s.") % values


RELEASED = event(
    "released",
    _("Sub-order %(number)s was sent to warehouse %(warehouse)s."),
    ("number", "warehouse"),
    moves="sub_order",
    news={"sub_order.released": "It was sent to the warehouse."},
    tone="info",
    icon="send",
    for_buyer=True,
)
WAREHOUSE_REFUSED = event(
    "warehouse_refused",
    _tell_refusal,
    ("number", "warehouse"),
    private=("text", "sourcing"),
    moves="sub_order",
    news={"sub_order.refused": "The warehouse refused it."},
    tone="danger",
    icon="thumb_down",
)
WAREHOUSE_ACCEPTED = event(
    "warehouse_accepted",
    _("Warehouse %(warehouse)s accepted sub-order %(number)s."),
    ("number", "warehouse"),
    moves="sub_order",
    news={"sub_order.accepted": "The warehouse took it."},
    tone="info",
    icon="assignment_turned_in",
    for_buyer=True,
)
WAREHOUSE_PICKING = event(
    "warehouse_picking",
    _("Warehouse %(warehouse)s is picking sub-order %(number)s."),
    ("number", "warehouse"),
    moves="sub_order",
    news={"sub_order.picking": "Its goods are being collected."},
    tone="info",
    icon="shelves",
    for_buyer=True,
)
WAREHOUSE_PACKED = event(
    "warehouse_packed",
    _("Warehouse %(warehouse)s packed sub-order %(number)s."),
    ("number", "warehouse"),
    moves="sub_order",
    news={"sub_order.packed": "The parcel is closed."},
    tone="info",
    icon="package_2",
    for_buyer=True,
)
WAREHOUSE_SHIPPED = event(
    "warehouse_shipped",
    _("Sub-order %(number)s left warehouse %(warehouse)s."),
    ("number", "warehouse"),
    moves="sub_order",
    news={"sub_order.shipped": "It left the warehouse."},
    tone="success",
    icon="local_shipping",
    for_buyer=True,
)
RELEASE_UNDONE = event(
    "release_undone",
    _("The warehouse got sub-order %(number)s after its cancellation, and was told to drop it."),
    ("number", "warehouse"),
    tone="warning",
    icon="undo",
)
WAYBILL = event(
    "waybill",
    _("Sub-order %(number)s: %(carrier)s issued waybill %(waybill)s."),
    ("number", "carrier", "waybill"),
    news={"shipment.waybill_issued": "The carrier issued a waybill."},
    tone="info",
    icon="barcode",
    for_buyer=True,
)
WAYBILL_REFUSED = event(
    "waybill_refused",
    _tell_refused_waybill,
    ("number", "carrier"),
    private=("text",),
    tone="warning",
    icon="barcode",
)
WAYBILL_CANCELLED = event(
    "waybill_cancelled",
    _("Sub-order %(number)s: %(carrier)s took waybill %(waybill)s back."),
    ("number", "carrier", "waybill"),
    tone="muted",
    icon="barcode",
)
WAYBILL_VOIDED = event(
    "waybill_voided",
    _("Sub-order %(number)s: %(carrier)s is to cancel waybill %(waybill)s: %(text)s"),
    ("number", "carrier", "waybill"),
    private=("text",),
    tone="info",
    icon="barcode",
)
WAYBILL_NOT_CANCELLED = event(
    "waybill_not_cancelled",
    _("Sub-order %(number)s: %(carrier)s does not take waybill %(waybill)s back: %(text)s"),
    ("number", "carrier", "waybill"),
    private=("text",),
    tone="warning",
    icon="barcode",
)
CARRIER_SWITCHED = event(
    "carrier_switched",
    _("Sub-order %(number)s: %(carrier)s is asked for the waybill of parcel %(parcel)s instead of %(former)s."),
    ("number", "parcel", "carrier", "former"),
    tone="info",
    icon="swap_horiz",
)
CARRIER_WISH_UNMET = event(
    "carrier_wish_unmet",
    _tell_unmet_wish,
    ("number", "wished", "carrier", "why"),
    tone="warning",
    icon="alt_route",
)
CLAIM = event(
    "parcel_claim",
    _tell_claim,
    None,
    private=("number", "waybill", "state", "amount"),
    tone="warning",
    icon="gavel",
)
RECEIVER_DECODED = event(
    "receiver_decoded",
    _("Sub-order %(number)s: the platform was asked who receives parcel %(parcel)s, for %(carrier)s."),
    ("number", "parcel", "carrier"),
    tone="muted",
    icon="key",
)
RECEIVER_TOKEN_GIVEN = event(
    "receiver_token_given",
    _(
        "Sub-order %(number)s: warehouse %(warehouse)s, which buys the waybill, was given the platform's token of the"
        " receiver."
    ),
    ("number", "warehouse"),
    tone="muted",
    icon="key",
)
DELIVERED = event(
    "delivered",
    _("Sub-order %(number)s was delivered."),
    ("number", "warehouse"),
    moves="sub_order",
    news={"sub_order.delivered": "The buyer has it."},
    tone="success",
    icon="where_to_vote",
    for_buyer=True,
)
SUB_ORDER_REJECTED = event(
    "sub_order_rejected",
    _("The buyer refused sub-order %(number)s."),
    ("number", "warehouse"),
    moves="sub_order",
    news={"sub_order.rejected": "The buyer refused it."},
    tone="warning",
    icon="thumb_down",
)
SUB_ORDER_RETURNED = event(
    "sub_order_returned",
    _("Sub-order %(number)s is back in warehouse %(warehouse)s."),
    ("number", "warehouse"),
    moves="sub_order",
    news={"sub_order.returned": "It is back in the warehouse."},
    tone="warning",
    icon="assignment_return",
)
VIRTUAL_DELIVERED = event(
    "virtual_delivered",
    _("Sub-order %(number)s: the virtual goods were delivered to the buyer."),
    ("number", "warehouse"),
    moves="sub_order",
    news={"sub_order.delivered": "The code was delivered."},
    tone="success",
    icon="key",
    for_buyer=True,
)

VIRTUAL_SEEN_BY_BUYER = event(
    "virtual_seen_by_buyer",
    _("The buyer looked at the virtual goods of sub-order %(number)s."),
    ("number",),
    tone="info",
    icon="visibility",
)
VIRTUAL_REVEALED = event(
    "virtual_revealed",
    _("The virtual goods of sub-order %(number)s were looked at: %(reason)s"),
    ("number",),
    private=("reason",),
    tone="warning",
    icon="visibility",
)
VIRTUAL_TAKEN_BACK = event(
    "virtual_taken_back",
    _("Sub-order %(number)s is taken back before anybody looked at it: %(reason)s"),
    ("number",),
    private=("reason",),
    tone="warning",
    icon="undo",
)


def _scan(state: ShipmentState, what: object, meaning: str, tone: Tone, icon: str) -> EventKind:
    """What a carrier's scan says; the kind is called like the parcel's state."""

    def tell(data: story.Data) -> str:
        values = {"what": str(what), "parcel": data.get("waybill") or data["number"]}
        detail = " · ".join(str(data[key]) for key in ("location", "text") if data.get(key))
        if detail:
            return gettext("%(what)s (%(parcel)s): %(detail)s") % {**values, "detail": detail}
        return gettext("%(what)s (%(parcel)s).") % values

    return event(
        state.value,
        tell,
        ("number", "waybill", "location"),
        private=("text",),
        news={f"shipment.{state}": meaning},
        tone=tone,
        icon=icon,
        for_buyer=True,
    )


_S = ShipmentState
SCANS = {
    ShipmentState(kind.code): kind
    for kind in (
        _scan(_S.COLLECTED, _("The carrier has the parcel"), "The carrier has the parcel.", "info", "hand_package"),
        _scan(_S.IN_TRANSIT, _("The parcel is on its way"), "The parcel is on its way.", "info", "local_shipping"),
        _scan(_S.OUT_FOR_DELIVERY, _("A courier is bringing the parcel"), "A courier is bringing it.", "info", "moped"),
        _scan(_S.FAILED_DELIVERY, _("The delivery failed"), "A delivery failed.", "warning", "home_pin"),
        _scan(
            _S.INTERCEPTING,
            _("The carrier is asked to stop the parcel"),
            "The carrier is asked to stop it.",
            "warning",
            "pan_tool",
        ),
        _scan(_S.SIGNED, _("The parcel was signed for"), "It was signed for.", "success", "signature"),
        _scan(_S.REJECTED, _("The buyer refused the parcel"), "The buyer refused it.", "warning", "thumb_down"),
        _scan(_S.RETURNING, _("The parcel is on its way back"), "It is on its way back.", "warning", "u_turn_left"),
        _scan(
            _S.RETURNED,
            _("The parcel is back in the warehouse"),
            "It is back in the warehouse.",
            "warning",
            "assignment_return",
        ),
        _scan(_S.LOST, _("The parcel is lost"), "The carrier lost it.", "danger", "report"),
    )
}

_ALERT_DATA = ("number", "alert", "level")


def _tell_alert(sentence: object) -> object:
    def tell(data: story.Data) -> str:
        alert = story.word(dict(LogisticsAlert.Kind.choices), data["alert"])
        levels = {str(value): label for value, label in LogisticsAlert.Level.choices}
        return str(sentence) % {"number": data["number"], "alert": alert, "level": story.word(levels, data["level"])}

    return tell


ALERT_OPENED = event(
    "alert_opened",
    _tell_alert(_("Alert on %(number)s (%(level)s): %(alert)s.")),
    None,
    private=_ALERT_DATA,
    tone="warning",
    icon="notification_important",
)
ALERT_ESCALATED = event(
    "alert_escalated",
    _tell_alert(_("The alert on %(number)s was raised to %(level)s: %(alert)s.")),
    None,
    private=_ALERT_DATA,
    tone="danger",
    icon="notification_important",
)
ALERT_CLOSED = event(
    "alert_closed",
    _tell_alert(_("The alert on %(number)s is closed: %(alert)s.")),
    None,
    private=_ALERT_DATA,
    tone="muted",
    icon="notifications_off",
)

name_actors(
    {
        "new_address": _("Ask warehouses for a new address"),
        "release": _("Write warehouse orders"),
        "send_release": _("Send to warehouse"),
        "deliver_virtual": _("Deliver virtual goods"),
        "settle_codes": _("Put codes back"),
        "cancel_at_warehouse": _("Cancel at the warehouse"),
        "send_stop": _("Ask warehouses to stop"),
        "warehouse_facts": _("Apply warehouse notices"),
        "stock_facts": _("Apply what warehouses report of stock"),
        "announce": _("Note what warehouses are to be told to expect"),
        "send_announcements": _("Tell warehouses what to expect"),
        "choose_carrier": _("Choose carriers"),
        "dispatch": _("Get waybills"),
        "send_recall": _("Ask carriers for parcels back"),
        "chase_recalls": _("Watch what carriers answer about parcels asked back"),
        "send_pick_ups": _("Book couriers for returns"),
        "watch_pick_ups": _("Watch whether couriers came"),
        "return_parcels": _("Follow parcels on their way back"),
        "subscribe": _("Ask carriers to tell of parcels"),
        "poll": _("Ask where silent parcels are"),
        "urge": _("Ask carriers to hurry parcels on"),
        "cancel_waybill": _("Give waybills back"),
        "recognise_waybill": _("Ask whose waybills are"),
        "ask_balance": _("Ask how many waybills are left"),
        "return_waybills": _("Give waybills back that are not wanted"),
        "carrier_facts": _("Apply scans"),
        "watch": _("Watch for delays"),
        "tell_alerts": _("Tell of delays"),
        "watch_promises": _("Watch whether promises are kept"),
        "plan_routes": _("Plan routes"),
        # The pretended carriers and warehouse of `make run`.
        "kdniao-sim": _("Kdniao (simulated)"),
        "kuaidi100-sim": _("Kuaidi100 (simulated)"),
        "sf-sim": _("SF (simulated)"),
        "jdl-sim": _("JD Logistics (simulated)"),
        "cainiao-sim": _("Cainiao (simulated)"),
        "qimen-sim": _("Qimen warehouse (simulated)"),
    }
)
