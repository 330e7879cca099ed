"""The staff's pages of the rules by which parcels get carriers, with a preview, and of what was decided."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelectWidget

from inventory.models import Region, StorageClass, Warehouse
from logistics.carriers import choosing
from logistics.carriers.rules import reading, words
from logistics.carriers.rules.judging import unmet
from logistics.models import Carrier, CarrierDecision, CarrierNeed, CarrierRule, CarrierSort
from oms.common.desk.acting import INPUT
from oms.common.desk.lists import KeysetAdmin
from oms.common.templatetags.staff import badge
from oms.merchants.models import Channel, Merchant
from orders.models import SubOrder
from orders.models.sub_order import BEFORE_RELEASE

_PLACES = 3
# So many sub-orders a preview shows.
MOST_SHOWN = 100


def _many(label: Any, choices: Sequence[tuple[str, Any]], help_text: Any = "") -> forms.MultipleChoiceField:
    widget = UnfoldAdminCheckboxSelectMultipleWidget
    return forms.MultipleChoiceField(label=label, choices=choices, required=False, help_text=help_text, widget=widget)


def _sort(label: Any) -> forms.ChoiceField:
    choices = [("", "–"), *CarrierSort.choices]
    return forms.ChoiceField(label=label, choices=choices, required=False, widget=UnfoldAdminSelectWidget)


class RuleForm(forms.ModelForm):
    """One rule; a code that nobody has is refused at its field."""

    storage_classes = _many(
        gettext_lazy("storage classes"),
        [pair for pair in StorageClass.choices if pair[0] != StorageClass.VIRTUAL],
        gettext_lazy("None ticked: any."),
    )
    needs = _many(gettext_lazy("carrier must"), CarrierNeed.choices)
    sort_0 = _sort(gettext_lazy("preferred first"))
    sort_1 = _sort(gettext_lazy("then"))
    sort_2 = _sort(gettext_lazy("then at last"))

    class Meta:
        model = CarrierRule
        fields = (
            *("priority", "name", "is_active", "valid_from", "valid_until", "provinces", "regions", "min_weight_g"),
            *("max_weight_g", "storage_classes", "merchants", "channels", "warehouses", "payment_method", "carriers"),
            *("excluded", "needs", "max_freight", "wish", "on_nobody"),
        )

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for place, sort in enumerate(self.instance.sorts[:_PLACES]):
            self.initial[f"sort_{place}"] = sort

    def clean(self) -> dict[str, Any]:
        """Codes that are there, in the order in which they were named; what is preferred, in its order."""
        data = super().clean() or self.cleaned_data
        both = [code for code in data.get("carriers") or () if code in (data.get("excluded") or ())]
        for name, known in _known_codes(data).items():
            unknown = [code for code in data.get(name) or () if code not in known]
            if unknown:
                self.add_error(name, _("There is no %(codes)s.") % {"codes": ", ".join(unknown)})
        if both:
            self.add_error("excluded", _("%(codes)s is both named and excluded.") % {"codes": ", ".join(both)})
        named = [data.get(f"sort_{place}") for place in range(_PLACES)]
        self.instance.sorts = list(dict.fromkeys(sort for sort in named if sort))
        return data


def _known_codes(data: dict[str, Any]) -> dict[str, Collection[str]]:
    """The codes that there are, of the fields in which some were typed."""
    prefixes = data.get("regions") or ()
    found: dict[str, Collection[str]] = {
        "regions": {
            prefix
            for prefix in prefixes
            if len(prefix) in (2, 4, 6) and Region.objects.filter(code__startswith=prefix).exists()
        }
    }
    readers: dict[str, Any] = {
        "provinces": lambda: Region.objects.order_by().values_list("province", flat=True).distinct(),
        "merchants": lambda: Merchant.objects.values_list("code", flat=True),
        "warehouses": lambda: Warehouse.objects.values_list("code", flat=True),
        "carriers": lambda: Carrier.objects.values_list("code", flat=True),
        "excluded": lambda: Carrier.objects.values_list("code", flat=True),
        "channels": lambda: [
            f"{merchant}/{code}" for merchant, code in Channel.objects.values_list("merchant__code", "code")
        ],
    }
    return found | {name: set(read()) for name, read in readers.items() if data.get(name)}


class PreviewForm(forms.Form):
    """Which orders are looked at, and whether rules that are switched off count as if they were on."""

    numbers = forms.CharField(
        label=gettext_lazy("Numbers of orders or sub-orders"),
        required=False,
        max_length=MOST_SHOWN * 40,
        help_text=gettext_lazy("One a line. None: the newest that wait for a warehouse."),
        widget=forms.Textarea(attrs={**INPUT, "rows": 4}),
    )
    all_rules = forms.BooleanField(label=gettext_lazy("Rules that are switched off count, too"), required=False)


@dataclass(frozen=True, slots=True)
class Preview:
    """What would become of a sub-order: its carrier, by which rule, who was looked at, and which rules it does not
    fulfil, each with the first condition that it breaks."""

    number: str
    order_id: int
    carrier: str
    rule: str
    lines: Sequence[words.Line]
    unfitting: Sequence[str]


def preview(sub_orders: Iterable[SubOrder], rules: Sequence[CarrierRule]) -> list[Preview]:
    """Which carrier these sub-orders would get now by these rules; nothing is written or taken. A handful of
    statements, however many."""
    rows = {row.pk: row for row in sub_orders}
    judge = reading.judge(timezone.now(), rules)
    names = {
        field.name: str(field.verbose_name)
        for field in CarrierRule._meta.get_fields()
        if hasattr(field, "name") and hasattr(field, "verbose_name")
    }
    found = []
    for goods in reading.parts(rows):
        choice = choosing.foresee(judge, goods)
        unfitting = [
            _("“%(rule)s”: %(condition)s") % {"rule": rule.name, "condition": names[broken]}
            for rule in judge.rules
            if (broken := unmet(rule, goods))
        ]
        row = rows[goods.key]
        carrier = choice.carrier.code if choice.carrier else ""
        rule = words.rule_name(choice.details)
        found.append(Preview(row.number, row.order_id, carrier, rule, words.lines(choice.details), unfitting))
    return found


@admin.register(CarrierRule)
class CarrierRuleAdmin(KeysetAdmin):
    """The rules in their order."""

    may_add = may_change = may_delete = True
    form = RuleForm
    keyset = ("priority", "id")
    change_list_template = "admin/logistics/carrierrule_list.html"
    list_display = ("priority", "name", "conditions", "asks", "valid_from", "valid_until", "is_active")
    list_display_links = ("priority", "name")
    fieldsets = (
        (None, {"fields": (("priority", "name"), ("is_active", "valid_from", "valid_until"))}),
        (
            gettext_lazy("Which parcels"),
            {
                "fields": (
                    ("provinces", "regions"),
                    ("min_weight_g", "max_weight_g"),
                    "storage_classes",
                    ("merchants", "channels"),
                    ("warehouses", "payment_method"),
                )
            },
        ),
        (
            gettext_lazy("Which carriers"),
            {
                "fields": (
                    ("carriers", "excluded"),
                    "needs",
                    ("max_freight", "wish"),
                    ("sort_0", "sort_1", "sort_2"),
                    "on_nobody",
                )
            },
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        """The preview before the rows."""
        wrapped = self.admin_site.admin_view(self.preview_view)
        return [path("preview/", wrapped, name="logistics_carrierrule_preview"), *super().get_urls()]

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """Which carrier orders would get. Raises PermissionDenied."""
        if not (self.has_view_permission(request) and request.user.has_perm("orders.view_order")):
            raise PermissionDenied
        form = PreviewForm(request.GET)
        found: list[Preview] = []
        missing: list[str] = []
        if form.is_valid():
            numbers = list(dict.fromkeys(form.cleaned_data["numbers"].split()))[:MOST_SHOWN]
            rows = _sub_orders(numbers)
            known = {number for row in rows for number in (row.number, row.order.number)}
            missing = [number for number in numbers if number not in known]
            now = timezone.now()
            all_rules = CarrierRule.objects.order_by("priority", "id")
            rules = list(all_rules) if form.cleaned_data["all_rules"] else reading.active(now)
            found = preview(rows, rules)
        page = {
            **self.admin_site.each_context(request),
            "title": _("Which carrier would these orders get?"),
            "form": form,
            "rows": found,
            "missing": missing,
        }
        return TemplateResponse(request, "admin/logistics/carrier_preview.html", page)

    @display(description=gettext_lazy("for"))
    def conditions(self, rule: CarrierRule) -> str:
        """Which parcels it is for, in short."""
        parts = [*rule.provinces, *rule.regions, *rule.merchants, *rule.channels, *rule.warehouses]
        parts += [str(StorageClass(one).label) for one in rule.storage_classes]
        if rule.min_weight_g is not None or rule.max_weight_g is not None:
            parts.append(f"{rule.min_weight_g or 0}–{rule.max_weight_g or '∞'} g")
        if rule.payment_method:
            parts.append(rule.get_payment_method_display())
        return ", ".join(parts) or _("all parcels")

    @display(description=gettext_lazy("asks"))
    def asks(self, rule: CarrierRule) -> str:
        """Whom it asks, in short."""
        named = ", ".join(rule.carriers) or _("all carriers")
        return named + (_(", not %(codes)s") % {"codes": ", ".join(rule.excluded)} if rule.excluded else "")


def _sub_orders(numbers: Sequence[str]) -> list[SubOrder]:
    rows = SubOrder.objects.select_related("order").exclude(storage_class=StorageClass.VIRTUAL)
    if not numbers:
        return list(rows.filter(state__in=BEFORE_RELEASE).order_by("-id")[:20])
    by_number = rows.filter(number__in=numbers).union(rows.filter(order__number__in=numbers))
    return list(rows.filter(pk__in=by_number.values("pk")).order_by("id")[:MOST_SHOWN])


def decisions_table(decisions: Iterable[CarrierDecision]) -> SafeString:
    """Why a parcel goes by its carrier: each decision as a sentence, with the carriers that were looked at."""
    return format_html_join(
        "",
        '<div><p><span class="oms-sub">{}</span> {}</p>{}</div>',
        (
            (f"{timezone.localtime(one.at):%m-%d %H:%M}", one.sentence, _looked_at(one.lines))
            for one in words.tell(decisions)
        ),
    )


def _looked_at(lines: Sequence[words.Line]) -> SafeString:
    if not lines:
        return SafeString("")
    rows = format_html_join(
        "",
        '<tr><th scope="row">{}</th><td>{}</td><td class="oms-number">{}</td><td>{}</td></tr>',
        ((one.carrier, badge(one.verdict, one.tone), one.freight, SafeString(one.arrival)) for one in lines),
    )
    return format_html('<table class="oms-table oms-slim"><tbody>{}</tbody></table>', rows)


@admin.register(CarrierDecision)
class CarrierDecisionAdmin(KeysetAdmin):
    """What was decided for which parcel, newest first."""

    search_fields = ("shipment__number", "shipment__waybill_number")
    search_help_text = gettext_lazy("Shipment or waybill number")
    list_display = ("shipment", "carrier", "former", "cause", "sentence", "decided_at")
    list_select_related = ("shipment", "carrier", "former")
    fields = readonly_fields = ("shipment", "carrier", "former", "connection", "cause", "told", "decided_at")

    @display(description=gettext_lazy("in words"))
    def sentence(self, row: CarrierDecision) -> str:
        """The decision as a sentence."""
        return words.tell([row])[0].sentence

    @display(description=gettext_lazy("why"))
    def told(self, row: CarrierDecision) -> SafeString:
        """The decision with the carriers that were looked at."""
        return decisions_table([row])
