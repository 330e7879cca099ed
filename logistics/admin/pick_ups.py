"""The staff's list of couriers who are to fetch returned goods."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter

from logistics.models import DoorPickUp, PickUpState
from logistics.returning import picking_up
from oms.common.desk.acting import RowAction, RowActions
from oms.common.desk.lists import NeedsPersonFilter, RowColumns
from orders.admin.staff import staff_actor


def _call_off(request: HttpRequest, key: int, _data: dict[str, Any]) -> str:
    row = DoorPickUp.objects.get(pk=key)
    picking_up.call_off(row.return_request_id, actor=staff_actor(request))
    return _("The courier is called off.")


@admin.register(DoorPickUp)
class DoorPickUpAdmin(RowColumns, RowActions):
    """Couriers who fetch returned goods; buyers book them on their page."""

    search_fields = ("number", "waybill_number", "return_request__number")
    search_help_text = gettext_lazy("Number of the return, or waybill")
    list_display = ("number", "state_label", "return_request", "carrier", "since", "until", "waybill_number", "answer")
    list_select_related = ("return_request", "carrier")
    list_filter = (("state", ChoicesDropdownFilter), ("carrier", RelatedDropdownFilter), NeedsPersonFilter)
    row_actions = (
        RowAction(
            "call_off", "orders.work_return", gettext_lazy("Call the courier off"), _call_off, tone="danger-line"
        ),
    )

    def fitting_actions(self, row: Any) -> Any:
        """Only while a courier is to come."""
        return ["call_off"] if row.state in (PickUpState.INTENDED, PickUpState.BOOKED) else []
