"""The stops of plans as a file."""

from django.utils.translation import gettext_lazy as _

from logistics.models import PlanState, RoutePlan, Stop, Unserved
from oms.common.files.exporting import Column, Export, register
from oms.common.masking import mask_name, mask_phone

_ORDER = "parcel__shipment__sub_order__order"


def _mask_address(address: str) -> str:
    return f"{address[:4]}***" if address else ""


STOPS = register(
    Export(
        Stop,
        (
            Column(_("station"), "plan__station__name"),
            Column(_("day"), "plan__day"),
            Column(_("number"), "plan__number"),
            Column(_("state"), "plan__state", dict(PlanState.choices)),
            Column(_("courier"), "tour__courier__name"),
            Column(_("vehicle"), "tour__vehicle__plate"),
            Column(_("stop number"), "position"),
            Column(_("arrives at"), "arrives_at"),
            Column(_("begins at"), "begins_at"),
            Column(_("not before"), "opens_at"),
            Column(_("not after"), "closes_at"),
            Column(_("promised by"), "due_at"),
            Column(_("why in no tour"), "why", dict(Unserved.choices)),
            Column(_("waybill number"), "parcel__waybill"),
            Column(_("order number"), f"{_ORDER}__number"),
            Column(_("weight (g)"), "parcel__weight_g"),
            Column(_("collected on delivery"), "parcel__cod_amount"),
            Column(_("recipient"), f"{_ORDER}__recipient_name", mask=mask_name),
            Column(_("phone"), f"{_ORDER}__recipient_phone", mask=mask_phone),
            Column(_("district"), "parcel__region__district"),
            Column(_("address"), f"{_ORDER}__recipient_address", mask=_mask_address),
        ),
        "logistics.plan_routes",
        "orders.export_personal_data",
        listed=RoutePlan,
        path="plan",
    )
)
