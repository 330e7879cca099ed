"""Moving a sub-order to another warehouse (转仓): the table of what each would make of it, then the confirmation."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from logistics.warehouses import moving_away
from oms.common.desk import acting
from oms.common.desk.acting import VersionForm
from oms.common.money import yuan
from orders.admin.actions import staff_actor
from orders.asked import panels
from orders.fulfilling import moving
from orders.models import Order, SubOrder, SubOrderState

_RIGHTS = ("orders.view_order", "orders.move_suborder")


class MoveForm(VersionForm):
    """Asks which warehouse shall send it; none: the one that the rules choose."""

    warehouse = forms.IntegerField(label=gettext_lazy("Warehouse"), required=False)


class MovingPages:
    """The page of a move, below the list of warehouse orders; mix it into its admin."""

    admin_site: Any

    def get_urls(self) -> list[URLPattern]:
        """With the page."""
        view = self.admin_site.admin_view(self.move_view)
        return [path("move/<int:sub_order_id>/", view, name="logistics_move"), *super().get_urls()]  # type: ignore[misc]

    def move_view(self, request: HttpRequest, sub_order_id: int) -> HttpResponse:
        """What each warehouse would make of it; POST moves it."""
        if not request.user.has_perms(_RIGHTS):
            raise PermissionDenied
        part = SubOrder.objects.select_related("order", "warehouse").filter(pk=sub_order_id).first()
        if part is None:
            raise Http404
        if request.method == "POST":
            return self._move(request, part)
        obstacle = moving.obstacle(part)
        options = [] if obstacle else moving.options(part)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Move %(number)s to another warehouse") % {"number": part.number},
            "part": part,
            "obstacle": obstacle,
            "asks_first": part.state != SubOrderState.ALLOCATED,
            "options": [
                {"row": one, "freight": None if one.freight_fen is None else yuan(one.freight_fen)} for one in options
            ],
        }
        return TemplateResponse(request, "admin/logistics/move.html", context)

    def _move(self, request: HttpRequest, part: SubOrder) -> HttpResponse:
        def do(data: dict[str, Any]) -> str:
            moved = moving_away.move(part.pk, to=data["warehouse"], actor=staff_actor(request), version=data["version"])
            if moved.state == SubOrderState.AWAITING_ALLOCATION:
                return _("It was taken from its warehouse; another one gets it at once.")
            return _("Its warehouse is asked to give it up; another one gets it once that is granted.")

        return acting.act(
            request,
            do,
            may=request.user.has_perms(_RIGHTS),
            page=reverse("admin:orders_order_change", args=[part.order_id]),
            form_class=MoveForm,
        )


def _movable(order: Order) -> Mapping[str, Any] | None:
    parts = [part for part in order.sub_orders.all() if moving.obstacle(part) is None]
    return {"parts": parts} if parts else None


panels.register(
    panels.Panel(
        gettext_lazy("Other warehouse"),
        "admin/logistics/move_panel.html",
        _movable,
        position=21,
        right="orders.move_suborder",
    )
)
