"""The staff's page of cost prices."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from inventory import costing
from inventory.lots import today
from inventory.models import SkuCost
from oms.common.desk.job_pages import ExportMixin
from oms.common.desk.lists import KeysetAdmin, staff_actor_name
from oms.common.files import exporting

EXPORT = exporting.register(
    exporting.Export(
        SkuCost,
        (
            exporting.Column(_("merchant"), "sku__merchant__code"),
            exporting.Column(_("SKU code"), "sku__code"),
            exporting.Column(_("name"), "sku__name"),
            exporting.Column(_("in force from"), "valid_from"),
            exporting.Column(_("cost price"), "cost"),
            exporting.Column(_("entered by"), "entered_by"),
        ),
        "inventory.view_skucost",
        "inventory.view_skucost",
    )
)


class CostForm(forms.ModelForm):
    """What a unit costs, from when on."""

    class Meta:
        model = SkuCost
        fields = ("sku", "valid_from", "cost")

    def _get_validation_exclusions(self) -> set[str]:
        """What was said of the same day is replaced."""
        return {*super()._get_validation_exclusions(), "valid_from"}  # type: ignore[misc]  # not in the stubs


@admin.register(SkuCost)
class SkuCostAdmin(ExportMixin, KeysetAdmin):
    """What units cost, by day. A later row ends an earlier one; the same day again replaces it."""

    form = CostForm
    may_add = True
    export = EXPORT
    search_fields = ("sku__code",)
    search_help_text = _("SKU code")
    list_display = ("sku_code", "sku_name", "valid_from", "cost", "entered_by", "entered_at")
    list_select_related = ("sku",)
    autocomplete_fields = ("sku",)

    def get_readonly_fields(self, request: HttpRequest, obj: SkuCost | None = None) -> Sequence[str]:
        """What was said is not changed: a later row ends it."""
        return ("sku", "valid_from", "cost", "entered_by", "entered_at") if obj else ()

    def get_fields(self, request: HttpRequest, obj: SkuCost | None = None) -> Sequence[str]:
        """What is asked for when it is new, and who said it."""
        asked = ("sku", "valid_from", "cost")
        return (*asked, "entered_by", "entered_at") if obj else asked

    @admin.display(description=_("SKU"))
    def sku_code(self, row: SkuCost) -> str:
        """The SKU's code."""
        return row.sku.code

    @admin.display(description=_("name"))
    def sku_name(self, row: SkuCost) -> str:
        """The SKU's name."""
        return row.sku.name

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """From today on."""
        return {"valid_from": today(), **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: SkuCost, form: forms.ModelForm, change: bool) -> None:
        """Said by the service that the API and sheets use."""
        costing.set_cost(obj.sku_id, obj.cost, obj.valid_from, actor=staff_actor_name(request))
        said = SkuCost.objects.filter(sku=obj.sku_id, valid_from__lte=obj.valid_from)
        obj.pk = said.latest("valid_from").pk
