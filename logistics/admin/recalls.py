"""Asking for a parcel that left (拦截, 改址): the page of one parcel, the list of all that were asked for, and what the
order's page shows of them."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from logistics.carriers.recalling import asking
from logistics.models import MOVING, Recall, RecallKind, Shipment, ShipmentState
from logistics.models.recall import OPEN_RECALL
from oms.common.desk import acting
from oms.common.desk.acting import VersionForm
from oms.common.desk.lists import KeysetAdmin, NeedsPersonFilter, RowColumns
from orders.admin.actions import staff_actor
from orders.asked import panels
from orders.changing.readdressing import Recipient
from orders.models import Order

_RIGHTS = ("logistics.view_shipment", "logistics.ask_recall")


class RecallForm(VersionForm):
    """Asks what the carrier shall do and why; whom and where it shall go to, what is left empty stays."""

    kind = forms.ChoiceField(label=gettext_lazy("What the carrier shall do"), choices=RecallKind.choices)
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=200)
    name = forms.CharField(label=gettext_lazy("Name"), max_length=80, required=False)
    phone = forms.CharField(label=gettext_lazy("Phone"), max_length=40, required=False)
    region_code = forms.CharField(label=gettext_lazy("Region code"), max_length=6, required=False)
    address = forms.CharField(label=gettext_lazy("Address"), max_length=200, required=False)


class RecallPages:
    """The page on which a parcel is asked for, below the list of parcels; mix it into its admin."""

    admin_site: Any

    def get_urls(self) -> list[URLPattern]:
        """With the page."""
        view = self.admin_site.admin_view(self.recall_view)
        own = path("<int:shipment_id>/recall/", view, name="logistics_shipment_recall")
        return [own, *super().get_urls()]  # type: ignore[misc]

    def recall_view(self, request: HttpRequest, shipment_id: int) -> HttpResponse:
        """What may be asked of the carrier, how likely it is to succeed, and what was asked; POST asks."""
        if not request.user.has_perms(_RIGHTS):
            raise PermissionDenied
        rows = Shipment.objects.select_related("carrier__connection", "connection", "sub_order__order__region")
        shipment = rows.filter(pk=shipment_id).first()
        if shipment is None:
            raise Http404
        if request.method == "POST":
            return self._ask(request, shipment)
        recalls = list(shipment.recalls.order_by("-id"))
        is_asked = any(recall.state in OPEN_RECALL for recall in recalls)
        choices = [
            {"kind": kind, "obstacle": asking.obstacle(shipment, kind, is_asked=is_asked)} for kind in RecallKind
        ]
        context = {
            **self.admin_site.each_context(request),
            "title": _("Parcel %(parcel)s: ask the carrier") % {"parcel": shipment},
            "shipment": shipment,
            "order": shipment.sub_order.order,
            "choices": choices,
            "can_ask": any(choice["obstacle"] is None for choice in choices),
            "chance": asking.chance(shipment),
            "shared_with": asking.orders_of(shipment) - {shipment.sub_order.order.number},
            "recalls": recalls,
        }
        return TemplateResponse(request, "admin/logistics/recall.html", context)

    def _ask(self, request: HttpRequest, shipment: Shipment) -> HttpResponse:
        def do(data: dict[str, Any]) -> str:
            told = {"reason": data["reason"], "actor": staff_actor(request), "version": data["version"]}
            if data["kind"] == RecallKind.RETURN:
                asking.ask_back(shipment.pk, **told)
            else:
                names = ("name", "phone", "region_code", "address")
                asking.ask_elsewhere(shipment.pk, Recipient(**{name: data[name] or None for name in names}), **told)
            return _("The carrier is asked. What it answers stands on the order's page.")

        return acting.act(
            request,
            do,
            may=request.user.has_perms(_RIGHTS),
            page=reverse("admin:logistics_shipment_recall", args=[shipment.pk]),
            form_class=RecallForm,
        )


@admin.register(Recall)
class RecallAdmin(RowColumns, KeysetAdmin):
    """What carriers were asked about parcels that left, and what became of it."""

    search_fields = ("shipment__waybill_number", "shipment__number")
    search_help_text = gettext_lazy("Waybill or shipment number")
    list_display = (
        *("shipment", "order_link", "kind", "state_label", "answer_shown", "reason"),
        *("asked_by", "asked_at", "due_at", "ended_at", "error_text"),
    )
    list_select_related = ("shipment__sub_order__order",)
    # Where it is to go is for the carrier; the order's timeline shows old and new to whom it may.
    fields = readonly_fields = (
        *("shipment", "connection", "kind", "state", "reason", "parcel_was", "asked_by", "asked_at"),
        *("answer", "answer_text", "answered_at", "due_at", "late_at", "ended_at", "last_error"),
    )
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("connection", RelatedDropdownFilter),
        NeedsPersonFilter,
    )

    @display(description=pgettext_lazy("carrier", "answer"))
    def answer_shown(self, recall: Recall) -> str:
        """What the carrier said, and its own words."""
        return " ".join(filter(None, [str(recall.get_answer_display()), recall.answer_text]))


def _on_order(order: Order) -> Mapping[str, Any] | None:
    """Parcels on their way, each with why it can be asked for no more, and what was asked."""
    rows = (
        Shipment.objects.of_order(order.pk)
        .filter(left_at__isnull=False)
        .select_related("carrier__connection", "connection")
        .prefetch_related("recalls")
        .order_by("id")
    )
    parcels = []
    for shipment in rows:
        recalls = sorted(shipment.recalls.all(), key=lambda recall: -recall.pk)
        is_moving = shipment.state in (ShipmentState.WAYBILL_ISSUED, *MOVING)
        if not (is_moving or recalls):
            continue
        is_asked = any(recall.state in OPEN_RECALL for recall in recalls)
        obstacles = {asking.obstacle(shipment, kind, is_asked=is_asked) for kind in RecallKind}
        parcels.append(
            {
                "row": shipment,
                "recalls": recalls,
                # The whole reason only where nothing can be asked.
                "obstacle": None if None in obstacles else "; ".join(sorted(filter(None, obstacles))),
                "is_moving": is_moving,
            }
        )
    return {"parcels": parcels} if parcels else None


panels.register(
    panels.Panel(
        gettext_lazy("Stop or redirect parcels"),
        "admin/logistics/recall_panel.html",
        _on_order,
        position=22,
        right="logistics.ask_recall",
    )
)
