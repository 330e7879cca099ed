"""The staff's pages of parcels that nobody knows: the list with its age, noting one, and what it may be of."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from oms.common.desk import acting
from oms.common.desk.acting import RowAction, RowActions
from oms.common.desk.lists import RowColumns
from oms.common.errors import OmsError
from orders import actors
from orders.admin.staff import staff_actor
from orders.models import ReturnRequest, StrayParcel, StrayPhoto, StrayState, StrayUnit, SubOrder
from orders.returning import strays, suggesting
from payments.returning.forms import ReasonForm
from payments.returning.pages import INSPECT, WORK, photo_answer
from payments.returning.stray_forms import FOUND_CHOICES, MatchForm, MatchOrderForm, NoteForm


def _match(request: HttpRequest, key: int, data: dict[str, Any]) -> str:
    row = ReturnRequest.objects.filter(number=data["number"].strip()).first()
    if row is None:
        raise OmsError(_("There is no return %(number)s.") % {"number": data["number"]}, attr="number")
    done = strays.match(key, row.pk, actor=staff_actor(request), version=data["version"])
    return _("It is of return %(number)s: %(state)s.") % {"number": done.number, "state": done.get_state_display()}


def _match_order(request: HttpRequest, key: int, data: dict[str, Any]) -> str:
    part = SubOrder.objects.filter(number=data["number"].strip()).first()
    if part is None:
        raise OmsError(_("There is no sub-order %(number)s.") % {"number": data["number"]}, attr="number")
    done = strays.match_order(
        key, part.pk, reason=data["reason"].code, actor=staff_actor(request), version=data["version"]
    )
    return _("It is of return %(number)s: %(state)s.") % {"number": done.number, "state": done.get_state_display()}


def _keep(request: HttpRequest, key: int, data: dict[str, Any]) -> str:
    strays.keep(key, reason=data["reason"], actor=staff_actor(request), version=data["version"])
    return _("Its units are in the stock of the warehouse.")


def _dispose(request: HttpRequest, key: int, data: dict[str, Any]) -> str:
    strays.dispose(key, reason=data["reason"], actor=staff_actor(request), version=data["version"])
    return _("It is disposed of; nothing was booked.")


@admin.register(StrayParcel)
class StrayParcelAdmin(RowColumns, RowActions):
    """Parcels that came, and of which nobody knows whose they are."""

    change_form_outer_before_template = "admin/payments/return/stray.html"
    search_fields = ("waybill_number", "phone_tail", "return_request__number", "units__sku__code")
    search_help_text = gettext_lazy("Waybill, end of the phone, SKU, serial number, or number of the return")
    list_display = ("__str__", "state_label", "age", "warehouse", "phone_tail", "goods", "return_request", "noted_at")
    list_select_related = ("warehouse", "return_request")
    list_filter = (("state", ChoicesDropdownFilter), ("warehouse", RelatedDropdownFilter))
    fields = readonly_fields = ("remark", "noter", "noted_at", "ended_by", "ended_at", "end_reason")
    row_actions = (
        RowAction("match", WORK, gettext_lazy("It is of this return"), _match, MatchForm, "primary", "link"),
        RowAction("match_order", WORK, gettext_lazy("It is of this sub-order"), _match_order, MatchOrderForm),
        RowAction(
            "keep",
            INSPECT,
            gettext_lazy("Take into stock"),
            _keep,
            ReasonForm,
            hint=gettext_lazy("Nobody came for it: its units become stock of the warehouse."),
        ),
        RowAction("dispose", INSPECT, gettext_lazy("Dispose of it"), _dispose, ReasonForm, "danger-line"),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By a serial number of a unit too."""
        found, has_twice = super().get_search_results(request, queryset, search_term)
        if term := search_term.strip():
            found |= queryset.filter(pk__in=StrayUnit.objects.filter(serials__contains=[term]).values("parcel"))
        return found, has_twice

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With what is in them, for the list."""
        return super().get_queryset(request).prefetch_related("units__sku")

    def fitting_actions(self, row: Any) -> Any:
        """Nothing, once it was decided."""
        return [action.name for action in self.row_actions] if row.state == StrayState.UNKNOWN else []

    @display(description=gettext_lazy("age"))
    def age(self, row: StrayParcel) -> str:
        """How long it lies there."""
        days = ((row.ended_at or timezone.now()) - row.noted_at).days
        return ngettext("%(days)d day", "%(days)d days", days) % {"days": days}

    @display(description=gettext_lazy("found"))
    def goods(self, row: StrayParcel) -> str:
        """What was found in it."""
        return _(", ").join(
            f"{unit.sku.code if unit.sku else unit.description} × {unit.quantity}" for unit in row.units.all()
        )

    @display(description=gettext_lazy("noted by"))
    def noter(self, row: StrayParcel) -> str:
        """Who noted it."""
        return actors.named(row.noted_by_kind, row.noted_by)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who receives goods notes them."""
        return request.user.has_perm(INSPECT)

    def get_urls(self) -> list[URLPattern]:
        """The photo's address beside the others."""
        wrap = self.admin_site.admin_view
        return [path("photo/<int:photo_id>/", wrap(photo_view), name="orders_strayparcel_photo"), *super().get_urls()]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Note a parcel. What is refused did nothing, and what was typed stays."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = NoteForm(request.POST or None, request.FILES or None)
        if request.method == "POST":
            if form.is_valid():
                data = form.cleaned_data
                try:
                    parcel = strays.note(
                        data["warehouse"].pk,
                        data["units"],
                        waybill=data["waybill"],
                        phone_tail=data["phone_tail"],
                        remark=data["remark"],
                        actor=staff_actor(request),
                        files=data["photos"],
                    )
                except OmsError as refusal:
                    messages.error(request, str(refusal))
                else:
                    messages.success(request, _("The parcel is noted. Look at what it may be of."))
                    return redirect(reverse("admin:orders_strayparcel_change", args=[parcel.pk]))
            else:
                acting.tell_errors(request, form)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Note a parcel that nobody knows"),
            "form": form,
            "lines": form.lines(),
            "found_choices": FOUND_CHOICES,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/payments/return/note_stray.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The parcel with what is in it, and what it may be of."""
        row = self.get_object(request, object_id) if self.has_view_permission(request) else None
        context: dict[str, Any] = {}
        if row is not None:
            is_open = row.state == StrayState.UNKNOWN
            context = {
                "row": row,
                "units": list(row.units.all()),
                "photos": list(row.photos.order_by("pk")),
                "suggestions": suggesting.suggest(row) if is_open else [],
                "may_match": is_open and request.user.has_perm(WORK),
                "match_order_form": MatchOrderForm(),
            }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})


def photo_view(request: HttpRequest, photo_id: int) -> FileResponse:
    """A photo of such a parcel."""
    if not request.user.has_perm("orders.view_strayparcel"):
        raise PermissionDenied
    photo = StrayPhoto.objects.filter(pk=photo_id).first()
    if photo is None:
        raise Http404
    return photo_answer(photo)
