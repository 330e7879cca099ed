"""The staff's page of merchants whose goods lie in warehouses of others."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.decorators import display

from inventory import hosting
from inventory.models import WarehouseGuest
from oms.common.codebook import ACTORS
from oms.common.desk.acting import RowAction, RowActions, VersionForm
from oms.common.desk.lists import YesFilter, staff_actor_name
from oms.common.errors import WrongFields

END = "inventory.end_warehouseguest"


class _NowFilter(YesFilter):
    """Stays that have not ended."""

    title = gettext_lazy("still there")
    parameter_name = "now"

    @staticmethod
    def condition(stays: QuerySet[Any]) -> QuerySet[Any]:
        """Those without an end."""
        return stays.filter(ended_at__isnull=True)


class GuestForm(forms.ModelForm):
    """Which merchant's goods are to be kept where."""

    class Meta:
        model = WarehouseGuest
        fields = ("warehouse", "merchant")

    def _get_validation_exclusions(self) -> set[str]:
        """Whose goods are kept already stays a guest: asked for twice it is the same stay."""
        return {*super()._get_validation_exclusions(), "merchant"}  # type: ignore[misc]  # not in the stubs

    def clean(self) -> dict[str, Any]:
        """What the service would refuse is said before it is asked."""
        given = super().clean() or self.cleaned_data
        if given.get("warehouse") and given.get("merchant"):
            try:
                hosting.check_stay(given["warehouse"], given["merchant"])
            except WrongFields as wrong:
                for error in wrong.errors:
                    self.add_error(error.attr, error.detail)
        return given


def _end(request: HttpRequest, stay_id: int, data: dict[str, Any]) -> str:
    stay = hosting.end(stay_id, actor=staff_actor_name(request), version=data["version"])
    shown = {"code": stay.warehouse.code, "merchant": stay.merchant}
    return _("Warehouse %(code)s no longer keeps goods of %(merchant)s.") % shown


@admin.register(WarehouseGuest)
class WarehouseGuestAdmin(RowActions):
    """Merchants whose goods lie in warehouses of others, from when and until when."""

    form = GuestForm
    may_add = True
    search_fields = ("warehouse__code", "merchant__code")
    search_help_text = gettext_lazy("Code of a warehouse or merchant")
    list_display = ("warehouse", "merchant", "began_at", "begun_by", "ended_at", "ending_by")
    list_select_related = ("warehouse", "merchant")
    list_filter = (_NowFilter, ("warehouse", RelatedDropdownFilter), ("merchant", RelatedDropdownFilter))
    row_actions = (
        RowAction(
            "end",
            END,
            gettext_lazy("Keep its goods no longer"),
            _end,
            VersionForm,
            tone="danger-line",
            hint=gettext_lazy("Only when no units and no open work of the merchant are there."),
        ),
    )

    def get_fields(self, request: HttpRequest, obj: WarehouseGuest | None = None) -> tuple[str, ...]:
        """What is asked for when it is new, and what it says then."""
        if obj is None:
            return ("warehouse", "merchant")
        return ("warehouse", "merchant", "began_at", "begun_by", "ended_at", "ending_by")

    def get_readonly_fields(self, request: HttpRequest, obj: WarehouseGuest | None = None) -> tuple[str, ...]:
        """A stay begins and ends; it does not change."""
        return self.get_fields(request, obj) if obj else ()

    def fitting_actions(self, row: WarehouseGuest) -> tuple[str, ...]:
        """What ended does not end again."""
        return ("end",) if row.ended_at is None else ()

    def save_model(self, request: HttpRequest, obj: WarehouseGuest, form: forms.ModelForm, change: bool) -> None:
        """Begun by the service; who stays already is told so."""
        known = WarehouseGuest.objects.filter(warehouse=obj.warehouse, merchant=obj.merchant, ended_at__isnull=True)
        if (stay := known.first()) is not None:
            values = {"code": obj.warehouse.code, "day": f"{timezone.localtime(stay.began_at):%Y-%m-%d}"}
            messages.warning(request, _("Warehouse %(code)s keeps its goods already, since %(day)s.") % values)
        obj.pk = hosting.begin(obj.warehouse, obj.merchant, actor=staff_actor_name(request)).pk

    @display(description=gettext_lazy("begun by"))
    def begun_by(self, stay: WarehouseGuest) -> str:
        """Who began it."""
        return ACTORS.word(stay.began_by) or "–"

    @display(description=gettext_lazy("ended by"))
    def ending_by(self, stay: WarehouseGuest) -> str:
        """Who ended it."""
        return ACTORS.word(stay.ended_by) or "–"
