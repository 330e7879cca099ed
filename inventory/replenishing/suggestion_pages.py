"""The staff's pages of what should be bought or moved, and of the service that was measured."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display
from unfold.forms import ActionForm

from inventory.models import ReplenishmentSuggestion, SuggestionState
from inventory.replenishing import deciding, measuring
from oms.common.desk.acting import INPUT, RowAction, RowActions, VersionForm
from oms.common.desk.lists import RowColumns, staff_actor_name
from oms.common.errors import OmsError

DECIDE = "inventory.decide_replenishmentsuggestion"


class _ReasonForm(VersionForm):
    reason = forms.CharField(
        label=gettext_lazy("Reason"), max_length=deciding.LONGEST_REASON, widget=forms.TextInput(attrs=INPUT)
    )


class _ListForm(ActionForm):
    """What is done to the rows that are ticked, with a reason where that needs one."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        required=False,
        max_length=deciding.LONGEST_REASON,
        widget=forms.TextInput(attrs={**INPUT, "placeholder": gettext_lazy("Reason for rejecting")}),
    )


def _one(refused: Mapping[int, OmsError], done: str) -> str:
    for error in refused.values():
        raise error
    return done


def _approve(request: HttpRequest, suggestion_id: int, data: dict[str, Any]) -> str:
    refused = deciding.approve([suggestion_id], actor=staff_actor_name(request), version=data["version"])
    return _one(refused, _("It is acted on."))


def _reject(request: HttpRequest, suggestion_id: int, data: dict[str, Any]) -> str:
    who = staff_actor_name(request)
    refused = deciding.reject([suggestion_id], reason=data["reason"], actor=who, version=data["version"])
    return _one(refused, _("It was rejected."))


class ReadSuggestions(RowColumns):
    """What both sites show of suggestions."""

    search_fields = ("policy__sku__code",)
    search_help_text = gettext_lazy("SKU code")
    list_display: Any = (
        *("sku_code", "target", "kind", "origin", "quantity", "state_label", "position", "reorder_point"),
        *("made", "created_at"),
    )
    list_select_related = ("policy__sku", "policy__warehouse", "source", "purchase_order", "transfer")
    list_filter: Any = (
        ("state", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("policy__warehouse", RelatedDropdownFilter),
    )
    fields: Any = (
        *(("sku_code", "warehouse_code"), ("kind", "state_label"), ("quantity", "source")),
        *(("position", "reorder_point"), ("order_up_to", "made"), ("created_at", "decided_at")),
        ("decided_by", "reason"),
    )
    readonly_fields: Any = tuple(name for row in fields for name in row)

    @display(description=gettext_lazy("SKU"))
    def sku_code(self, suggestion: ReplenishmentSuggestion) -> str:
        """The SKU's code and name."""
        return str(suggestion.policy.sku)

    @display(description=gettext_lazy("warehouse"))
    def warehouse_code(self, suggestion: ReplenishmentSuggestion) -> str:
        """Where it should come to."""
        return str(suggestion.policy.warehouse)

    @display(description=pgettext_lazy("suggestion", "from"))
    def origin(self, suggestion: ReplenishmentSuggestion) -> str:
        """Where it should come from, by its code; a dash for what is bought."""
        return suggestion.source.code if suggestion.source else "–"

    @display(description=gettext_lazy("warehouse"))
    def target(self, suggestion: ReplenishmentSuggestion) -> str:
        """Where it should come to, by its code."""
        return suggestion.policy.warehouse.code

    @display(description=gettext_lazy("what came of it"))
    def made(self, suggestion: ReplenishmentSuggestion) -> SafeString | str:
        """The number of the purchase order, or of the transfer."""
        return str(suggestion.purchase_order or suggestion.transfer or "–")


@admin.register(ReplenishmentSuggestion)
class SuggestionAdmin(ReadSuggestions, RowActions):
    """What should be bought or moved; one by one, or many at once."""

    change_list_template = "admin/inventory/suggestion_list.html"
    action_form = _ListForm
    actions = ("approve_selected", "reject_selected")
    row_actions = (
        RowAction(
            "approve",
            DECIDE,
            gettext_lazy("Approve"),
            _approve,
            VersionForm,
            tone="primary",
            icon="check",
            hint=gettext_lazy(
                "What is to be bought becomes the draft of a purchase order, what is to be moved a transfer whose units"
                " are set aside."
            ),
        ),
        RowAction("reject", DECIDE, gettext_lazy("Reject"), _reject, _ReasonForm, tone="danger-line", icon="close"),
    )

    def fitting_actions(self, row: ReplenishmentSuggestion) -> list[str]:
        """What is decided is decided."""
        return ["approve", "reject"] if row.state == SuggestionState.OPEN else []

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Who may decide."""
        return request.user.has_perm(DECIDE)

    @admin.action(description=gettext_lazy("Approve the selected suggestions"), permissions=["decide"])
    def approve_selected(self, request: HttpRequest, suggestions: QuerySet[ReplenishmentSuggestion]) -> None:
        """Act on them: one purchase order for each warehouse."""
        ids = list(suggestions.values_list("pk", flat=True))
        self._tell(request, len(ids), deciding.approve(ids, actor=staff_actor_name(request)))

    @admin.action(description=gettext_lazy("Reject the selected suggestions"), permissions=["decide"])
    def reject_selected(self, request: HttpRequest, suggestions: QuerySet[ReplenishmentSuggestion]) -> None:
        """Reject them for the reason that stands beside."""
        ids = list(suggestions.values_list("pk", flat=True))
        try:
            refused = deciding.reject(ids, reason=request.POST.get("reason", ""), actor=staff_actor_name(request))
        except OmsError as error:
            messages.error(request, str(error))
        else:
            self._tell(request, len(ids), refused)

    def _tell(self, request: HttpRequest, count: int, refused: Mapping[int, OmsError]) -> None:
        done = count - len(refused)
        if done:
            text = ngettext("%(count)d suggestion was decided.", "%(count)d suggestions were decided.", done)
            messages.success(request, text % {"count": done})
        for detail, times in Counter(str(error) for error in refused.values()).items():
            messages.error(request, f"{detail} (× {times})" if times > 1 else detail)

    @display(description=gettext_lazy("what came of it"))
    def made(self, suggestion: ReplenishmentSuggestion) -> SafeString | str:
        """A link to the purchase order, or to the transfer."""
        row = suggestion.purchase_order or suggestion.transfer
        if row is None:
            return "–"
        address = reverse(f"admin:inventory_{row._meta.model_name}_change", args=[row.pk])
        return format_html('<a class="oms-no" href="{}">{}</a>', address, row)

    def get_urls(self) -> list[URLPattern]:
        """The page of what was measured before those of the rows."""
        view = self.admin_site.admin_view(self.service_view)
        return [path("service/", view, name="inventory_replenishment_service"), *super().get_urls()]

    def service_view(self, request: HttpRequest) -> HttpResponse:
        """The measured service of each warehouse beside its target, by how quickly SKUs sell."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": _("Measured service"),
            "opts": self.opts,
            "days": measuring.SERVICE_DAYS,
            "rows": measuring.by_warehouse(),
            "list_link": reverse("admin:inventory_replenishmentsuggestion_changelist"),
        }
        return TemplateResponse(request, "admin/inventory/replenishment_service.html", context)
