"""Pages of alert lines: the parts that the staff's site and the merchants' share, and the staff's list."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from inventory import hosting, typed_rows
from inventory.filters import found_skus
from inventory.models import ReplenishmentPolicy, Sku, Warehouse
from inventory.models.replenishing import LONGEST_SNOOZE
from inventory.replenishing import deciding, demand, policies, proposing, words
from inventory.replenishing.policies import NewPolicy, Outcome
from inventory.replenishing.standing import standings
from oms.common.desk.acting import INPUT, RowAction, RowActions, VersionForm
from oms.common.desk.lists import YesFilter, staff_actor_name
from oms.common.errors import OmsError
from oms.merchants.models import Merchant

# So many SKUs are on the page of where stock should lie.
MOST_PLACED = 10
SNOOZE = "inventory.snooze_replenishmentpolicy"
_TYPED = (
    *("method", "reorder_point", "order_up_to", "service_percent", "lead_days", "lead_deviation_days", "cover_days"),
    *("pack_size", "minimum_quantity", "runs_by", "snoozed_until", "is_active"),
)


class BelowFilter(YesFilter):
    """Policies whose position is not above their line."""

    title = gettext_lazy("at the alert line")
    parameter_name = "below"

    @staticmethod
    def condition(rows: QuerySet[Any]) -> QuerySet[Any]:
        """Those of which that was told."""
        return rows.filter(below_since__isnull=False)


class PolicyForm(forms.ModelForm):
    """How a SKU is replenished at a warehouse; what is wrong is said as the API says it."""

    # What the person looked at; nothing where the policy is new.
    seen_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = ReplenishmentPolicy
        fields = ("warehouse", "sku", *_TYPED)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["seen_version"].initial = self.instance.version if self.instance.pk else None

    def clean(self) -> dict[str, Any]:
        """What the service would refuse is said before it is asked."""
        given = super().clean() or self.cleaned_data
        sku, warehouse = self._place(given)
        if sku and warehouse and not self.errors:
            for error in policies.problems(self.row(), sku, warehouse if self._may_say(sku, warehouse) else None):
                self.add_error(error.attr if error.attr in self.fields else None, error.detail)
            if self.instance.pk and given.get("seen_version") != self.instance.version:
                self.add_error(None, str(policies.changed_meanwhile().detail))
        return given

    def row(self) -> NewPolicy:
        """The policy as it was typed."""
        sku, warehouse = self._place(self.cleaned_data)
        assert sku is not None  # noqa: S101 - the form is valid
        assert warehouse is not None  # noqa: S101
        typed = {name: self.cleaned_data[name] for name in _TYPED}
        return NewPolicy(warehouse.code, sku.code, **typed, version=self.cleaned_data.get("seen_version"))

    def _may_say(self, sku: Sku, warehouse: Warehouse) -> bool:
        """Of a place where the goods are kept no longer, only that nothing is watched there."""
        is_ended = self.instance.pk is not None and not self.cleaned_data.get("is_active")
        return is_ended or hosting.hosts(sku.merchant).filter(pk=warehouse.pk).exists()

    def _place(self, given: Mapping[str, Any]) -> tuple[Sku | None, Warehouse | None]:
        if self.instance.pk:
            return self.instance.sku, self.instance.warehouse
        return given.get("sku"), given.get("warehouse")


class RowsForm(forms.Form):
    """Many policies, typed or pasted."""

    rows = forms.CharField(label=gettext_lazy("Alert lines"), widget=forms.Textarea(attrs={**INPUT, "rows": 12}))


class StaffRowsForm(RowsForm):
    """Many policies of one merchant."""

    merchant = forms.ModelChoiceField(
        label=gettext_lazy("Whose goods"), queryset=Merchant.objects.order_by("code"), widget=forms.Select(attrs=INPUT)
    )
    field_order = ("merchant", "rows")


class PolicyPages(RowActions):
    """What both sites show of policies. A subclass says who sets them for whom."""

    form = PolicyForm
    change_list_template = "admin/inventory/policy_list.html"
    rows_form: ClassVar[type[RowsForm]] = RowsForm
    search_fields = ("sku__code",)
    search_help_text = gettext_lazy("SKU code")
    list_display = (
        *("sku_code", "warehouse_code", "position", "reorder_point", "order_up_to", "basis", "measured"),
        *("service_percent", "below_since", "snoozed_until", "runs_by", "is_active"),
    )
    list_select_related = ("sku", "warehouse")
    list_filter: Any = (("warehouse", RelatedDropdownFilter), BelowFilter, ("basis", ChoicesDropdownFilter))

    def merchant_for(self, request: HttpRequest, data: Mapping[str, Any]) -> Merchant:
        """Whose goods the pasted rows are about."""
        raise NotImplementedError

    def set_many(self, request: HttpRequest, merchant: Merchant, rows: Sequence[NewPolicy]) -> list[Outcome]:
        """Set them, in the name of who is logged in."""
        raise NotImplementedError

    def may_set(self, request: HttpRequest) -> bool:
        """Whether who is logged in may set policies at all."""
        raise NotImplementedError

    def get_fields(self, request: HttpRequest, obj: ReplenishmentPolicy | None = None) -> Sequence[Any]:
        """What is asked for, and beside it what counts now."""
        typed = (
            ("warehouse", "sku"),
            ("method", "runs_by"),
            ("reorder_point", "order_up_to"),
            ("service_percent", "cover_days"),
            ("lead_days", "lead_deviation_days"),
            ("pack_size", "minimum_quantity"),
            "snoozed_until",
            "is_active",
            "seen_version",
        )
        if obj is None:
            return typed
        known = (("position", "below_since"), ("basis", "computed_on"), ("mean_per_day", "measured"))
        return (*typed, *known)

    def get_readonly_fields(self, request: HttpRequest, obj: ReplenishmentPolicy | None = None) -> tuple[str, ...]:
        """The place never changes."""
        known = ("position", "below_since", "basis", "computed_on", "mean_per_day", "measured")
        return ("warehouse", "sku", *known) if obj else ()

    def save_model(self, request: HttpRequest, obj: ReplenishmentPolicy, form: forms.ModelForm, change: bool) -> None:
        """Written by the service, which works out computed lines."""
        assert isinstance(form, PolicyForm)  # noqa: S101 - it is this page's
        (made,) = self.set_many(request, obj.sku.merchant, [form.row()])
        if not isinstance(made, ReplenishmentPolicy):
            raise OmsError(typed_rows.told(made))
        obj.pk = made.pk

    def prepare_rows(self, request: HttpRequest, rows: Any) -> None:
        """How the places of the page stand, and what was measured of them. A handful of statements."""
        places = [(row.warehouse_id, row.sku_id) for row in rows]
        found, measured = standings(places), demand.service(places)
        for row in rows:
            place = (row.warehouse_id, row.sku_id)
            row.standing, row.service = found[place], measured.get(place)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The row, prepared like those of the list."""
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            self.prepare_rows(request, [row])
        return row

    @display(description=gettext_lazy("SKU"))
    def sku_code(self, policy: ReplenishmentPolicy) -> str:
        """The SKU's code and name."""
        return str(policy.sku)

    @display(description=gettext_lazy("warehouse"))
    def warehouse_code(self, policy: ReplenishmentPolicy) -> str:
        """The warehouse's code and name."""
        return str(policy.warehouse)

    @display(description=pgettext_lazy("stock", "position"))
    def position(self, policy: Any) -> int:
        """On hand and on order, less frozen, reserved and waited for."""
        units: int = policy.standing.position
        return units

    @display(description=gettext_lazy("measured service"))
    def measured(self, policy: Any) -> str:
        """What was sent at once of what was wanted in the last weeks."""
        return words.percent(policy.service)

    def get_urls(self) -> list[URLPattern]:
        """The page of many rows before those of one."""
        view = self.admin_site.admin_view(self.rows_view)
        return [path("rows/", view, name=f"{self._name}_rows"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with the way to many rows at once."""
        link = reverse(f"{self.admin_site.name}:{self._name}_rows") if self.may_set(request) else ""
        return super().changelist_view(request, {"rows_link": link, **(extra_context or {})})

    def rows_view(self, request: HttpRequest) -> HttpResponse:
        """Set many policies, and see what came of every row."""
        if not self.may_set(request):
            raise PermissionDenied
        form = self.rows_form(request.POST or None)
        results: list[tuple[int, Outcome | str]] = []
        cells: dict[int, Sequence[str]] = {}
        if request.method == "POST" and form.is_valid():
            try:
                read = typed_rows.each_row(form.cleaned_data["rows"], words.policy_row)
                cells = {row.number: row.cells for row in read}
                rows = {row.number: row.value for row in read if row.value is not None}
                outcomes = self.set_many(request, self.merchant_for(request, form.cleaned_data), list(rows.values()))
                came = dict(zip(rows, outcomes, strict=True))
                results = [(row.number, came.get(row.number, row.wrong)) for row in read]
            except OmsError as refusal:
                form.add_error("rows", str(refusal))
        refused = [
            (number, cells[number], outcome if isinstance(outcome, str) else typed_rows.told(outcome))
            for number, outcome in results
            if not isinstance(outcome, ReplenishmentPolicy)
        ]
        context = {
            **self.admin_site.each_context(request),
            "title": _("Set many alert lines"),
            "opts": self.opts,
            "form": form,
            "help": words.ROWS_HELP,
            "results": results,
            "refused": refused,
            "changed": len(results) - len(refused),
            "list_link": reverse(f"{self.admin_site.name}:{self._name}_changelist"),
        }
        return TemplateResponse(request, "admin/inventory/policy_rows.html", context)


class _SnoozeForm(VersionForm):
    days = forms.IntegerField(
        label=gettext_lazy("for so many days (0: no longer)"),
        min_value=0,
        max_value=LONGEST_SNOOZE.days,
        initial=7,
        widget=forms.NumberInput(attrs=INPUT),
    )


def _snooze(request: HttpRequest, policy_id: int, data: dict[str, Any]) -> str:
    until = timezone.now() + timedelta(days=data["days"]) if data["days"] else None
    deciding.snooze(policy_id, until=until, actor=staff_actor_name(request), version=data["version"])
    if until is None:
        return _("It is watched again.")
    return _("Nothing is told of it before %(day)s.") % {"day": f"{timezone.localtime(until):%Y-%m-%d}"}


@admin.register(ReplenishmentPolicy)
class PolicyAdmin(PolicyPages):
    """The staff's alert lines, of all merchants."""

    may_add = may_change = True
    rows_form = StaffRowsForm
    autocomplete_fields = ("sku",)
    row_actions = (
        RowAction(
            "snooze",
            SNOOZE,
            gettext_lazy("Snooze"),
            _snooze,
            _SnoozeForm,
            icon="snooze",
            hint=gettext_lazy("Nothing is told or suggested meanwhile; what is open is closed."),
        ),
    )

    def merchant_for(self, request: HttpRequest, data: Mapping[str, Any]) -> Merchant:
        """The one that was chosen."""
        found: Merchant = data["merchant"]
        return found

    def set_many(self, request: HttpRequest, merchant: Merchant, rows: Sequence[NewPolicy]) -> list[Outcome]:
        """In the name of who is logged in."""
        return policies.set_policies(merchant, rows, actor=staff_actor_name(request))

    def may_set(self, request: HttpRequest) -> bool:
        """Who may add policies and change them."""
        return self.has_add_permission(request) and self.has_change_permission(request)

    def get_urls(self) -> list[URLPattern]:
        """The page of where stock should lie before those of the rows."""
        view = self.admin_site.admin_view(self.placement_view)
        return [path("placement/", view, name="inventory_placement"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with the way to where stock should lie."""
        link = reverse("admin:inventory_placement")
        return super().changelist_view(request, {"placement_link": link, **(extra_context or {})})

    def placement_view(self, request: HttpRequest) -> HttpResponse:
        """Where the units of the most wanted SKUs, or of those searched for, should lie."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        query = request.GET.get("q", "").strip().replace("\x00", "")
        found = found_skus(Sku.objects.order_by("code"), query)[:MOST_PLACED] if query else []
        context = {
            **self.admin_site.each_context(request),
            "title": _("Where stock should lie"),
            "opts": self.opts,
            "query": query,
            "days": demand.SERVICE_DAYS,
            "proposals": proposing.proposals(list(found) if query else proposing.most_wanted(MOST_PLACED)),
            "list_link": reverse(f"admin:{self._name}_changelist"),
        }
        return TemplateResponse(request, "admin/inventory/placement.html", context)
