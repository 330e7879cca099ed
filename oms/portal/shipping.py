"""Orders to ship from the merchant's own warehouses: looked at, printed, shipped singly or in bulk, and answered."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import action, display

from inventory.serials import split
from logistics.admin.printouts import PrintForm
from logistics.by_merchant import answering, shipping, showing, works
from logistics.by_merchant.reported import Leaving
from logistics.models import WarehouseOrder
from logistics.models.warehouse_order import BEFORE_PACKING, OVER
from logistics.printing import choosing, printing
from oms.common.desk.acting import INPUT, RowAction, RowActions
from oms.common.errors import OmsError
from oms.common.templatetags.staff import badge, moment_text, state_badge
from oms.merchant_admin import OwnPages, actor_of, merchant_of, site
from oms.merchants.models import Merchant
from oms.portal import imports, recipients

SHIP = "portal.ship"
# Characters of serial numbers in one field.
_MOST_TYPED = 20_000
_LIST = "merchant:logistics_warehouseorder_changelist"


class TextForm(forms.Form):
    """A few words, which may be left out."""

    text = forms.CharField(
        label=gettext_lazy("Note"), max_length=300, required=False, widget=forms.TextInput(attrs=INPUT)
    )


class WhyForm(forms.Form):
    """A few words that must be given."""

    text = forms.CharField(label=gettext_lazy("Why"), max_length=300, widget=forms.TextInput(attrs=INPUT))


class WorkFilter(DropdownFilter):
    """What is to be shipped unless something else is asked for."""

    title = gettext_lazy("which ones")
    parameter_name = "which"
    all_option = ["", gettext_lazy("To ship")]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """What else can be asked for."""
        return [("stop", gettext_lazy("To be stopped: answer")), ("over", gettext_lazy("Shipped or given up"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[WarehouseOrder]) -> QuerySet[WarehouseOrder]:
        """Those."""
        if self.value() == "stop":
            return queryset.filter(stop_requested_at__isnull=False, stop_answered_at__isnull=True)
        if self.value() == "over":
            return queryset.filter(state__in=OVER)
        return queryset.filter(is_current=True).exclude(state__in=OVER)


def _own(request: HttpRequest) -> Merchant:
    merchant = merchant_of(request)
    if merchant is None:
        raise PermissionDenied
    return merchant


def _number(request: HttpRequest, work_id: int) -> str:
    number = works.of(_own(request)).filter(pk=work_id).values_list("number", flat=True).first()
    if number is None:
        raise Http404
    return number


def _answer(request: HttpRequest, work_id: int, data: Mapping[str, Any], *, is_stopped: bool) -> str:
    number = _number(request, work_id)
    answering.answer_stop(
        _own(request), number, is_stopped=is_stopped, text=data.get("text", ""), actor=actor_of(request)
    )
    return _("%(number)s stays here.") % {"number": number} if is_stopped else _("It goes on.")


def _stop(request: HttpRequest, work_id: int, data: dict[str, Any]) -> str:
    return _answer(request, work_id, data, is_stopped=True)


def _go_on(request: HttpRequest, work_id: int, data: dict[str, Any]) -> str:
    return _answer(request, work_id, data, is_stopped=False)


def _give_back(request: HttpRequest, work_id: int, data: dict[str, Any]) -> str:
    answering.give_back(_own(request), _number(request, work_id), text=data["text"], actor=actor_of(request))
    return _("It is given back: another warehouse is looked for.")


class OwnWorks(OwnPages, RowActions):
    """What the merchant's own warehouses are to send."""

    search_fields = (
        "number",
        "sub_order__number",
        "sub_order__order__number",
        "sub_order__order__external_number",
        "shipments__waybill_number",
    )
    search_help_text = gettext_lazy("Number of the warehouse order, sub-order or order, or waybill")
    list_display = ("number", "state_label", "goods", "recipient", "ship_by", "parcels", "warehouse", "created_at")
    list_select_related = ("warehouse",)
    list_filter = (WorkFilter, ("state", ChoicesDropdownFilter))
    list_before_template = "portal/works_head.html"
    change_form_outer_after_template = "portal/work.html"
    fields = readonly_fields = (
        *("number", "sub_order", "state_label", "warehouse", "recipient", "remark", "ship_by", "parcels"),
        *("created_at", "packed_at", "shipped_at"),
    )
    actions = ("ship_selected", "print_selected")
    row_actions = (
        RowAction(
            *("recipient", "portal.recipients", gettext_lazy("Show the recipient"), recipients.show_of_work),
            icon="visibility",
        ),
        RowAction(
            *("stop", SHIP, gettext_lazy("It stays here: cancel it"), _stop, TextForm, "primary", "block"),
            hint=gettext_lazy("The order was cancelled after it was sent to you. Say whether it can still be stopped."),
        ),
        RowAction("go_on", SHIP, gettext_lazy("Too late: it leaves, or has left"), _go_on, WhyForm, icon="send"),
        RowAction(
            *("give_back", SHIP, gettext_lazy("Give it back"), _give_back, WhyForm, "danger-line", "undo"),
            hint=gettext_lazy("For what cannot be sent from here, such as goods that are missing or broken."),
        ),
    )

    def own(self, merchant: Merchant) -> QuerySet[WarehouseOrder]:
        """As the API."""
        return works.of(merchant).select_related("sub_order")

    def fitting_actions(self, row: WarehouseOrder) -> list[str]:
        """An answer where one is asked for; nothing is given back that is packed."""
        names = ["recipient"]
        if works.is_asked_to_stop(row):
            return [*names, "stop", "go_on"]
        return [*names, "give_back"] if row.is_current and row.state in BEFORE_PACKING else names

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """What is shown of each, in three statements."""
        found = showing.read([row.pk for row in rows])
        for row in rows:
            row.shown = found[row.pk]

    def _of(self, work: WarehouseOrder) -> showing.Shown:
        if not hasattr(work, "shown"):
            work.shown = showing.read([work.pk])[work.pk]  # type: ignore[attr-defined]
        return work.shown  # type: ignore[attr-defined, no-any-return]

    @display(description=gettext_lazy("state"))
    def state_label(self, row: WarehouseOrder) -> SafeString:
        """The state, and whether an answer is due."""
        label = state_badge(row)
        if works.is_asked_to_stop(row):
            return format_html("{} {}", label, badge(_("To be stopped: answer"), "danger", "pan_tool"))
        return label

    @display(description=pgettext_lazy("parcel", "goods"))
    def goods(self, work: WarehouseOrder) -> str:
        """What is in it."""
        return self._of(work).summary

    @display(description=gettext_lazy("recipient"))
    def recipient(self, work: WarehouseOrder) -> str:
        """Who gets it, masked, and where."""
        shown = self._of(work)
        return f"{shown.recipient} {shown.phone} {shown.region}"

    @display(description=gettext_lazy("remark"))
    def remark(self, work: WarehouseOrder) -> str:
        """The buyer's."""
        return self._of(work).remark or "–"

    @display(description=gettext_lazy("ship by"))
    def ship_by(self, work: WarehouseOrder) -> str:
        """By when it must leave."""
        moment = self._of(work).ship_by
        return moment_text(moment) if moment else "–"

    @display(description=gettext_lazy("Waybills"))
    def parcels(self, work: WarehouseOrder) -> str:
        """Carriers and waybills, as far as there are any."""
        shown = [f"{one.carrier or ''} {one.waybill_number}" for one in self._of(work).parcels if one.waybill_number]
        return ", ".join(shown) or "–"

    def has_ship_permission(self, request: HttpRequest) -> bool:
        """By role."""
        return request.user.has_perm(SHIP)

    @action(description=gettext_lazy("Ship"), permissions=["ship"])
    def ship_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """The page on which carriers and waybills are typed for them."""
        return _to(request, "ship", queryset)

    @action(description=gettext_lazy("Print labels, pick lists or packing slips"), permissions=["ship"])
    def print_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """The page on which they are looked over and printed."""
        return _to(request, "print", queryset)

    def get_urls(self) -> list[URLPattern]:
        """With the pages that ship and print."""
        wrap = self.admin_site.admin_view
        return [
            *imports.urls_of(WarehouseOrder),
            path("ship/", wrap(self.ship_view), name="logistics_warehouseorder_ship"),
            path("print/", wrap(self.print_view), name="logistics_warehouseorder_print"),
            path("<int:row_id>/ship/", wrap(self.ship_one_view), name="logistics_warehouseorder_ship_one"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with the ways to the pages that ship."""
        merchant = _own(request) if self.has_view_permission(request) else None
        shown = {
            "may_ship": request.user.has_perm(SHIP),
            "to_answer": works.to_answer(merchant).count() if merchant else 0,
        }
        return super().changelist_view(request, {**shown, **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The warehouse order with its goods, and the form that ships them."""
        work = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if work is not None:
            is_open = work.is_current and work.state not in OVER
            context = {
                "work": work,
                "shown": self._of(work),
                "may_ship": is_open and request.user.has_perm(SHIP),
                "carriers": showing.carriers(_own(request)),
            }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def ship_one_view(self, request: HttpRequest, row_id: int) -> HttpResponse:
        """Ship one parcel of a warehouse order: all that is here, or the units that are named."""
        _require(request)
        page = reverse("merchant:logistics_warehouseorder_change", args=[row_id])
        if request.method != "POST":
            return redirect(page)
        number = _number(request, row_id)
        shown = showing.read([row_id])[row_id]
        leaving, problem = _typed_parcel(request, number, shown)
        error = problem
        if not error:
            is_meant = bool(request.POST.get("all_the_same"))
            (outcome,) = shipping.ship(_own(request), [leaving], actor=actor_of(request), all_the_same=is_meant)
            error = " ".join(one.detail for one in outcome.errors)
        if error:
            for one in shown.goods:
                one.typed_units = request.POST.get(f"units-{one.sku}", str(one.here))[:7]
                one.typed_serials = request.POST.get(f"serials-{one.sku}", "")[:_MOST_TYPED]
            again = {"typed": request.POST, "error": error, "title": number}
            context = {
                **again,
                "shown": shown,
                "carriers": showing.carriers(_own(request)),
                "page": page,
                "row_id": row_id,
            }
            return self._page(request, "portal/ship_one.html", context, 409)
        self.message_user(request, _("Reported: %(number)s left.") % {"number": number})
        return redirect(page)

    def ship_view(self, request: HttpRequest) -> HttpResponse:
        """Ship many: a row for each with its carrier and waybill; what is refused stays in the page with the reason."""
        _require(request)
        merchant = _own(request)
        ids = [int(text) for text in request.GET.get("ids", "").split(",") if text.isascii() and text.isdigit()]
        posted = request.method == "POST"
        if posted:
            ids = [int(text) for text in request.POST.getlist("row") if text.isascii() and text.isdigit()]
        rows = list(works.to_ship(merchant).filter(pk__in=ids[: shipping.MOST_AT_ONCE]).order_by("pk"))
        shown = showing.read([row.pk for row in rows])
        typed = {row.pk: _typed(request, row.pk) for row in rows}
        done, wrong = 0, dict[int, str]()
        if posted:
            filled = [row for row in rows if any(typed[row.pk].values()) or shown[row.pk].labelled]
            leaving = [
                Leaving(row.number, said["carrier"], said["waybill"], serials=_serials(said["serials"]))
                for row, said in ((row, typed[row.pk]) for row in filled)
            ]
            outcomes = shipping.ship(merchant, leaving, actor=actor_of(request))
            for row, outcome in zip(filled, outcomes, strict=True):
                if outcome.is_done:
                    done += 1
                    rows.remove(row)
                else:
                    wrong[row.pk] = " ".join(error.detail for error in outcome.errors)
        lines = [
            {"work": row, "shown": shown[row.pk], "typed": typed[row.pk], "wrong": wrong.get(row.pk, "")}
            for row in rows
        ]
        context = {
            "title": _("Ship"),
            "lines": lines,
            "carriers": showing.carriers(merchant),
            "done": ngettext("One order left.", "%(count)s orders left.", done) % {"count": done} if done else "",
            "wrong": len(wrong),
        }
        return self._page(request, "portal/ship.html", context, 409 if wrong else 200)

    def print_view(self, request: HttpRequest) -> HttpResponse:
        """What would be printed and what is left out, and why; then the PDF: of one's own warehouses alone."""
        _require(request)
        typed = request.POST if request.method == "POST" else None
        form = PrintForm(typed, initial={"numbers": request.GET.get("numbers", ""), "paper": "packing_slip"})
        choice, error = None, ""
        if typed is not None and form.is_valid():
            numbers, unknown = self._own_numbers(request, form.cleaned_data["numbers"])
            form.cleaned_data["numbers"] = numbers
            wanted = form.wanted(form.cleaned_data["ids"])
            try:
                if typed.get("step") == "print":
                    return _pdf(request, wanted)
            except OmsError as refusal:
                error = str(refusal)
            choice = choosing.choose(wanted.paper, numbers)
            choice = choosing.Choice(choice.paper, choice.ids, choice.printed_before, [*unknown, *choice.left_out])
            form = PrintForm({**typed.dict(), "ids": " ".join(map(str, choice.ids))})
        context = {"title": _("Print"), "form": form, "choice": choice, "error": error, "may_print_again": True}
        return self._page(request, "admin/logistics/print.html", context, 409 if error else 200)

    @staticmethod
    def _own_numbers(request: HttpRequest, numbers: Sequence[str]) -> tuple[list[str], list[choosing.LeftOut]]:
        """The numbers of the merchant's warehouse orders that are meant, and what is none of them."""
        merchant = _own(request)
        ids = works.named(merchant, numbers)
        own = dict(works.of(merchant).filter(pk__in=ids.values()).values_list("pk", "number"))
        unknown = [choosing.LeftOut(one, [choosing.Obstacle.UNKNOWN.label]) for one in numbers if one not in ids]
        return list(dict.fromkeys(own[ids[one]] for one in numbers if one in ids)), unknown

    def _page(self, request: HttpRequest, template: str, context: Mapping[str, Any], status: int) -> HttpResponse:
        shown = {**self.admin_site.each_context(request), "opts": self.opts, "list_url": reverse(_LIST), **context}
        return TemplateResponse(request, template, shown, status=status)


def _require(request: HttpRequest) -> None:
    if not request.user.has_perm(SHIP):
        raise PermissionDenied


def _to(request: HttpRequest, page: str, queryset: QuerySet[Any]) -> HttpResponse:
    if page == "print":
        query = {"numbers": " ".join(queryset.order_by("pk").values_list("number", flat=True))}
    else:
        query = {"ids": ",".join(str(key) for key in queryset.order_by("pk").values_list("pk", flat=True))}
    return redirect(f"{reverse(f'merchant:logistics_warehouseorder_{page}')}?{urlencode(query)}")


def _typed(request: HttpRequest, key: int) -> dict[str, str]:
    """The carrier and waybill of a row as they were typed; of a carrier alone nothing is meant yet."""
    waybill = request.POST.get(f"waybill-{key}", "").strip()[:64]
    return {
        "carrier": request.POST.get(f"carrier-{key}", "")[:20] if waybill else "",
        "waybill": waybill,
        "serials": request.POST.get(f"serials-{key}", "").strip()[:_MOST_TYPED],
    }


def _serials(text: str, sku: str = "") -> dict[str, list[str]]:
    """The serial numbers that were typed of a SKU (empty: of the only one that has such numbers)."""
    named = split(text)
    return {sku: named} if named else {}


def _typed_parcel(request: HttpRequest, number: str, shown: showing.Shown) -> tuple[Leaving, str]:
    """The parcel that the form describes, and what is wrong with it."""
    waybill = request.POST.get("waybill", "").strip()[:64]
    carrier = request.POST.get("carrier", "")[:20] if waybill else ""
    here: dict[str, int] = {}
    for one in shown.goods:
        here[one.sku] = here.get(one.sku, 0) + one.here
    units: dict[str, int] = {}
    serials: dict[str, list[str]] = {}
    for sku, count in here.items():
        serials |= _serials(request.POST.get(f"serials-{sku}", "").strip()[:_MOST_TYPED], sku)
        text = request.POST.get(f"units-{sku}", str(count)).strip()
        if not (text.isascii() and text.isdigit() and len(text) < 7):
            return Leaving(number), _("Give a whole number of units of %(sku)s.") % {"sku": sku}
        units[sku] = int(text)
    if here and not any(units.values()):
        return Leaving(number), _("Nothing is in the parcel: give units.")
    named = {} if units == here else {sku: count for sku, count in units.items() if count}
    is_last = bool(request.POST.get("is_last"))
    return Leaving(number, carrier, waybill, named, is_last=is_last, serials=serials), ""


def _pdf(request: HttpRequest, wanted: printing.Wanted) -> HttpResponse:
    document = printing.print_out(wanted, by=actor_of(request).name, may_print_again=True)
    headers = {"Content-Disposition": f'inline; filename="{wanted.paper.value}.pdf"', "Cache-Control": "no-store"}
    return HttpResponse(document, content_type="application/pdf", headers=headers)


site.register(WarehouseOrder, OwnWorks)
