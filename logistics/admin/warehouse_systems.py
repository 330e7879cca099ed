"""The staff's pages on what warehouse systems were told: goods, and what is to come or to go beside orders."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import action, display

from logistics import retrying
from logistics.admin import again
from logistics.models import StockOrder, StockOrderState, WarehouseItem
from logistics.tickets import RETRY
from oms.common.desk.acting import RowActions
from oms.common.desk.lists import KeysetAdmin, NeedsPersonFilter, RowColumns, staff_actor_name


@admin.register(WarehouseItem)
class WarehouseItemAdmin(RowColumns, KeysetAdmin):
    """Which SKUs each warehouse system knows, and which it refused."""

    search_fields = ("sku__code", "their_id")
    list_display = ("connection", "sku", "their_id", "refusal", "told_at")
    list_select_related = ("connection", "sku")
    list_filter = (("connection", RelatedDropdownFilter),)


def _send_again(request: HttpRequest, key: int) -> None:
    retrying.retry_stock_order(key, staff_actor_name(request))


@admin.register(StockOrder)
class StockOrderAdmin(RowColumns, RowActions):
    """What warehouse systems were told to expect or to send beside orders. Their news and the documents move it."""

    search_fields = ("number", "purchase_order__number", "transfer__reference", "return_request__number")
    list_display = (
        *("number", "kind", "warehouse", "purchase_order", "transfer", "return_request", "state", "reason"),
        *("error_text", "created_at"),
    )
    list_select_related = ("warehouse", "purchase_order", "transfer", "return_request")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("warehouse", RelatedDropdownFilter),
        NeedsPersonFilter,
    )
    shown_by: ClassVar[Mapping[str, str]] = {"told": "told_words"}
    actions: ClassVar[Any] = ("send_again",)
    row_actions = (again.button(_send_again),)

    def fitting_actions(self, row: StockOrder) -> list[str]:
        """What was refused, or needs a person, may be sent once more."""
        is_stuck = row.state == StockOrderState.REFUSED or row.needs_person_since is not None
        return ["retry"] if is_stuck else []

    @display(description=_("told so far"))
    def told_words(self, row: StockOrder) -> str:
        """What the warehouse said that left, by SKU."""
        return ", ".join(f"{sku} × {units}" for sku, units in sorted(row.told.items())) or "–"

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """That of warehouse orders."""
        return request.user.has_perm(RETRY)

    @action(description=_("Send again what was refused or needs a person"), permissions=["retry"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """With a full number of attempts."""
        waiting = queryset.filter(needs_person_since__isnull=False) | queryset.filter(state=StockOrderState.REFUSED)
        again.each(request, list(waiting.order_by("pk").values_list("pk", flat=True)), _send_again)
