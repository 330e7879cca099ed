"""The staff's pages of virtual goods: codes for sale, how they come in, and what buyers got."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from inventory.models import Sku, Warehouse
from logistics.models import CodeImport, CodeState, Reveal, VirtualCode, VirtualDelivery, VirtualSupply
from logistics.virtual import reading, revealing, stocking, taking_back
from oms.common.desk.acting import INPUT, RowAction, RowActions, VersionForm
from oms.common.desk.lists import RowColumns, staff_actor_name
from oms.common.errors import FieldError, OmsError
from oms.common.templatetags.staff import grouped, when
from oms.merchants.models import Merchant
from orders import actors
from orders.actors import Actor
from orders.models import ActorKind

IMPORT, WITHDRAW = "logistics.import_codes", "logistics.withdraw_codes"
REVEAL, TAKE_BACK = "logistics.reveal_virtualdelivery", "logistics.take_back_virtualdelivery"
# Of rows that were refused so many are shown.
MOST_SHOWN = 1_000


def _actor(request: HttpRequest) -> Actor:
    return Actor(ActorKind.STAFF, staff_actor_name(request))


class ReasonForm(forms.Form):
    """Why it is done."""

    reason = forms.CharField(label=gettext_lazy("why"), max_length=200, widget=forms.TextInput(attrs=INPUT))


class ImportForm(forms.Form):
    """Codes of a SKU, pasted or in a file."""

    merchant = forms.ModelChoiceField(
        Merchant.objects.filter(status=Merchant.Status.ACTIVE),
        label=gettext_lazy("Whose goods"),
        widget=forms.Select(attrs=INPUT),
    )
    sku = forms.CharField(label=gettext_lazy("SKU code"), max_length=64, widget=forms.TextInput(attrs=INPUT))
    warehouse = forms.ModelChoiceField(
        Warehouse.objects.filter(kind=Warehouse.Kind.VIRTUAL, is_active=True),
        label=gettext_lazy("Warehouse"),
        required=False,
        widget=forms.Select(attrs=INPUT),
    )
    pasted = forms.CharField(
        label=gettext_lazy("Codes, a line each"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={**INPUT, "rows": 8, "autocomplete": "off", "spellcheck": "false"}),
    )
    file = forms.FileField(
        label=gettext_lazy("Or a file"),
        required=False,
        widget=forms.FileInput(attrs={**INPUT, "accept": ".txt,.csv,.tsv,.xlsx,.xls,.ods"}),
    )

    def clean(self) -> dict[str, Any]:
        """The SKU as a row, and one of text and file."""
        given = super().clean() or self.cleaned_data
        if given.get("merchant") and given.get("sku"):
            found = Sku.objects.filter(merchant=given["merchant"], code=given["sku"].strip()).first()
            if found is None:
                self.add_error("sku", _("There is no SKU %(sku)s.") % {"sku": given["sku"]})
            given["found"] = found
        if bool(given.get("pasted", "").strip()) == bool(given.get("file")):
            self.add_error("pasted", _("Paste codes, or choose a file."))
        return given


def _change_supply(request: HttpRequest, key: int, data: dict[str, Any]) -> str:
    stocking.change_supply(
        key, alert_below=data["alert_below"], instructions=data["instructions"], version=data["version"]
    )
    return _("Saved.")


class SupplyForm(VersionForm):
    """Where the alert line is, and what buyers are told."""

    alert_below = forms.IntegerField(
        label=gettext_lazy("alert below"),
        required=False,
        min_value=0,
        max_value=1_000_000,
        widget=forms.NumberInput(attrs=INPUT),
    )
    instructions = forms.CharField(
        label=gettext_lazy("how to use it"),
        required=False,
        max_length=2_000,
        widget=forms.Textarea(attrs={**INPUT, "rows": 4}),
    )


@admin.register(VirtualSupply)
class VirtualSupplyAdmin(RowActions):
    """SKUs that sell codes: how many are left, where the alert line is, what buyers are told."""

    change_list_template = "admin/logistics/codes_list.html"
    search_fields = ("sku__code",)
    search_help_text = gettext_lazy("SKU code")
    list_display = ("sku", "merchant", "left", "sold", "alert_below")
    list_select_related = ("sku__merchant",)
    list_filter = (("sku__merchant", RelatedDropdownFilter),)
    fields = readonly_fields = ("sku", "merchant", "alert_below", "instructions", "figures")
    row_actions = (
        RowAction(
            "save",
            "logistics.set_virtualsupply",
            gettext_lazy("Save"),
            _change_supply,
            SupplyForm,
            "primary",
            initial=lambda supply: {"alert_below": supply.alert_below, "instructions": supply.instructions},
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        """The import before the rows."""
        wrapped = self.admin_site.admin_view(self.import_view)
        return [path("import/", wrapped, name="logistics_virtualsupply_import"), *super().get_urls()]

    def prepare_rows(self, request: HttpRequest, rows: Any) -> None:
        """How many codes are in which state. One statement."""
        counted = (
            VirtualCode.objects.filter(stock__sku__in=[row.sku_id for row in rows])
            .order_by()
            .values("stock__sku")
            .annotate(
                left=Count("id", filter=Q(state=CodeState.ON_SHELF)),
                sold=Count("id", filter=Q(state__in=[CodeState.SOLD, CodeState.REVEALED])),
            )
        )
        found = {one["stock__sku"]: one for one in counted}
        for row in rows:
            row.counted = found.get(row.sku_id, {"left": 0, "sold": 0})

    @display(description=gettext_lazy("merchant"))
    def merchant(self, supply: VirtualSupply) -> str:
        """Whose goods."""
        return str(supply.sku.merchant)

    @display(description=gettext_lazy("for sale"))
    def left(self, supply: VirtualSupply) -> str:
        """Codes that nobody bought."""
        return grouped(supply.counted["left"])  # type: ignore[attr-defined]  # by prepare_rows

    @display(description=gettext_lazy("sold"))
    def sold(self, supply: VirtualSupply) -> str:
        """Codes that somebody bought."""
        return grouped(supply.counted["sold"])  # type: ignore[attr-defined]

    @display(description=gettext_lazy("codes"))
    def figures(self, supply: VirtualSupply) -> SafeString:
        """How many codes are in which state."""
        codes = VirtualCode.objects.filter(stock__sku=supply.sku_id).order_by()
        counted = dict(codes.values_list("state").annotate(Count("id")))
        return format_html_join("", "<p>{}: {}</p>", ((one.label, grouped(counted.get(one, 0))) for one in CodeState))

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Codes come in, row by row; nothing of what was pasted or uploaded is kept but the sealed codes."""
        if not request.user.has_perm(IMPORT):
            raise PermissionDenied
        form = ImportForm(request.POST or None, request.FILES or None)
        done: dict[str, Any] = {}
        error = ""
        if request.method == "POST" and form.is_valid():
            try:
                done = _import(form.cleaned_data, _actor(request))
                # Nobody sends the same again by mistake.
                form = ImportForm(initial={name: form.cleaned_data[name] for name in ("merchant", "sku", "warehouse")})
            except OmsError as refusal:
                error = str(refusal)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Import codes"),
            "opts": self.opts,
            "form": form,
            "error": error,
            "most": grouped(stocking.MOST_AT_ONCE),
            **done,
        }
        return TemplateResponse(request, "admin/logistics/import_codes.html", context)


def _import(data: dict[str, Any], actor: Actor) -> dict[str, Any]:
    read = reading.uploaded(data["file"]) if data["file"] else reading.pasted(data["pasted"])
    sku: Sku = data["found"]
    warehouse = data["warehouse"] or stocking.warehouse_for(sku)
    came = stocking.import_codes(
        sku, warehouse, read.codes, door=CodeImport.Door.PAGE, actor=actor, unreadable=len(read.wrong)
    )
    refused: dict[int, FieldError] = {**read.wrong, **{read.rows[place]: why for place, why in came.refused.items()}}
    rows = [(row, refused[row].detail) for row in sorted(refused)]
    return {
        "is_done": True,
        "added": ngettext("One code came in.", "%(count)s codes came in.", came.added) % {"count": grouped(came.added)},
        "refused": rows[:MOST_SHOWN],
        "refused_count": len(rows),
    }


def _withdraw(request: HttpRequest, key: int, data: dict[str, Any]) -> str:
    stocking.withdraw([key], reason=data["reason"], actor=_actor(request))
    return _("The code is not for sale any more.")


@admin.register(VirtualCode)
class VirtualCodeAdmin(RowActions):
    """Codes for sale, sold, looked at, withdrawn and expired: their hints, never the codes."""

    search_fields = ("stock__sku__code", "hint")
    search_help_text = gettext_lazy("SKU code, or the hint of a code")
    list_display = ("id", "stock", "state", "hint", "valid_until", "batch")
    list_select_related = ("stock__sku", "stock__warehouse", "batch")
    list_filter = (("state", ChoicesDropdownFilter), ("batch", RelatedDropdownFilter))
    fields = readonly_fields = ("stock", "state", "hint", "valid_until", "batch", "sales_table")
    row_actions = (
        RowAction("withdraw", WITHDRAW, gettext_lazy("Withdraw from sale"), _withdraw, ReasonForm, "danger-line"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[VirtualCode]:
        """Without the content."""
        return super().get_queryset(request).defer("content", "fingerprint")

    def fitting_actions(self, row: VirtualCode) -> tuple[str, ...]:
        """Only what is for sale."""
        return ("withdraw",) if row.state == CodeState.ON_SHELF else ()

    @display(description=gettext_lazy("sales"))
    def sales_table(self, code: VirtualCode) -> SafeString | str:
        """To whom it was sold, and whether it came back."""
        rows = (
            (
                sale.delivery.sub_order.number,
                when(sale.sold_at),
                f" → {_('Taken back')} {when(sale.taken_back_at)}" if sale.taken_back_at else "",
            )
            for sale in code.sales.select_related("delivery__sub_order").order_by("id")
        )
        return format_html_join("", "<p>{} · {}{}</p>", rows) or "–"


def _withdraw_batch(request: HttpRequest, key: int, data: dict[str, Any]) -> str:
    ids = list(VirtualCode.objects.filter(batch=key, state=CodeState.ON_SHELF).values_list("pk", flat=True))
    count = stocking.withdraw(ids, reason=data["reason"], actor=_actor(request))
    text = ngettext("One code is not for sale any more.", "%(count)s codes are not for sale any more.", count)
    return text % {"count": grouped(count)}


@admin.register(CodeImport)
class CodeImportAdmin(RowActions):
    """Codes that came in together; what is for sale of them can be withdrawn together."""

    search_fields = ("stock__sku__code",)
    search_help_text = gettext_lazy("SKU code")
    list_display = ("id", "stock", "door", "who", "added", "refused", "imported_at")
    list_select_related = ("stock__sku", "stock__warehouse")
    fields = readonly_fields = ("stock", "door", "who", "added", "refused", "imported_at")
    row_actions = (
        RowAction(
            "withdraw",
            WITHDRAW,
            gettext_lazy("Withdraw from sale what is left of it"),
            _withdraw_batch,
            ReasonForm,
            "danger-line",
        ),
    )

    @display(description=gettext_lazy("actor"))
    def who(self, batch: CodeImport) -> str:
        """Who imported them."""
        return batch.actor


def _reveal(request: HttpRequest, key: int, data: dict[str, Any]) -> HttpResponse:
    delivery = VirtualDelivery.objects.select_related("sub_order__order").defer("content").get(pk=key)
    contents = revealing.reveal(delivery.sub_order_id, actor=_actor(request), reason=data["reason"])
    context = {
        **admin.site.each_context(request),
        "title": _("What the buyer got"),
        "opts": VirtualDelivery._meta,
        "delivery": delivery,
        "contents": contents,
    }
    return TemplateResponse(request, "admin/logistics/revealed.html", context)


def _take_back(request: HttpRequest, key: int, data: dict[str, Any]) -> str:
    sub_order_id = VirtualDelivery.objects.values_list("sub_order_id", flat=True).get(pk=key)
    taking_back.take_back(sub_order_id, reason=data["reason"], actor=_actor(request))
    return _("It is taken back; the money goes back by itself.")


@admin.register(VirtualDelivery)
class VirtualDeliveryAdmin(RowColumns, RowActions):
    """Codes and links that were delivered. What they are is the buyer's business: staff see that, and a hint; who has
    the right sees more, with a reason that is kept."""

    search_fields = ("sub_order__number",)
    search_help_text = gettext_lazy("Sub-order number")
    list_display = ("sub_order", "order_link", "kind", "hint", "delivered_at", "revealed_at", "confirmed_at")
    list_select_related = ("sub_order__order",)
    fields = readonly_fields = (
        *("sub_order", "order_link", "kind", "hint", "delivered_at", "revealed_at", "confirmed_at", "taken_back_at"),
        "looks_table",
    )
    list_filter = (("kind", ChoicesDropdownFilter),)
    row_actions = (
        RowAction(
            "reveal",
            REVEAL,
            gettext_lazy("Look at it"),
            _reveal,
            ReasonForm,
            icon="visibility",
            hint=gettext_lazy("Your name and the reason are kept, and the order's story tells it."),
        ),
        RowAction(
            "take_back",
            TAKE_BACK,
            gettext_lazy("Take it back"),
            _take_back,
            ReasonForm,
            "danger-line",
            "undo",
            gettext_lazy("Only while nobody has looked at it: the money goes back, the code is for sale again."),
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[VirtualDelivery]:
        """Without the content, which only the look at it opens."""
        return super().get_queryset(request).defer("content")

    def fitting_actions(self, row: VirtualDelivery) -> tuple[str, ...]:
        """What is taken back is not looked at, and what was looked at not taken back."""
        if row.taken_back_at:
            return ()
        return ("reveal",) if row.revealed_at else ("reveal", "take_back")

    @display(description=gettext_lazy("looks at it"))
    def looks_table(self, delivery: VirtualDelivery) -> SafeString | str:
        """Who looked at it, when and why: the last ones."""
        looks = Reveal.objects.filter(delivery=delivery).order_by("-id")[:50]
        rows = ((when(one.revealed_at), actors.named(one.actor_kind, one.actor), one.reason) for one in looks)
        return format_html_join("", "<p>{} · {} {}</p>", rows) or "–"
