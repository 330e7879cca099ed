"""The merchants' pages of orders and sub-orders: read, the recipient shown when it is needed, cancelled."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from oms.common.desk.acting import INPUT, RowAction, RowActions, VersionForm
from oms.common.masking import mask_name, mask_phone
from oms.common.templatetags.staff import yuan
from oms.merchant_admin import OwnPages, actor_of, site
from oms.merchants.models import Merchant
from oms.portal import entering, imports, late, recipients
from orders.changing import cancelling
from orders.models import Order, OrderState, SubOrder


class CancelForm(VersionForm):
    """Asks why."""

    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=200, widget=forms.TextInput(attrs=INPUT))


def _cancel(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    cancelling.cancel_order(order_id, reason=data["reason"], actor=actor_of(request), version=data["version"])
    return _("The order is cancelled, or is asked back from where it is.")


class OwnOrders(OwnPages, RowActions):
    """The orders that the merchant's channels sent."""

    row_actions = (
        RowAction(
            *("recipient", "portal.recipients", gettext_lazy("Show the recipient"), recipients.show_of_order),
            icon="visibility",
        ),
        RowAction(
            "cancel", "portal.orders", gettext_lazy("Cancel the order"), _cancel, CancelForm, "danger-line", "block"
        ),
    )

    search_fields = ("number", "external_number", "recipient_phone")
    search_help_text = gettext_lazy("Order number, the shop's number, or the recipient's whole phone")
    list_display = ("number", "external_number", "channel", "state_label", "payable", "recipient", "created_at")
    list_select_related = ("channel", "region")
    list_filter = (("state", ChoicesDropdownFilter),)
    fields = (
        ("number", "external_number"),
        ("channel", "state_label"),
        ("payment_state", "fulfilment_state"),
        ("goods_amount", "freight_amount"),
        ("promotion_amount", "coupon_amount"),
        ("adjustment_amount", "payable_amount"),
        "recipient",
        "contents",
        "parts",
        ("ordered_at", "created_at"),
    )
    readonly_fields = tuple(name for row in fields for name in (row if isinstance(row, tuple) else (row,)))

    list_before_template = "portal/orders_head.html"
    change_form_outer_after_template = "portal/order_after.html"

    def get_urls(self) -> list[URLPattern]:
        """With the import of orders by sheet, and the form of a single one."""
        enter = path("enter/", self.admin_site.admin_view(entering.PAGE.view), name="orders_order_enter")
        return [*imports.urls_of(Order), enter, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with the ways to the import and the form."""
        shown = {"may_import": imports.ORDERS.may(request), "may_enter": entering.PAGE.may(request)}
        return super().changelist_view(request, {**shown, **(extra_context or {})})

    def own(self, merchant: Merchant) -> QuerySet[Order]:
        """As the API."""
        return Order.objects.visible_to(merchant)

    def fitting_actions(self, row: Order) -> list[str]:
        """What is over is not cancelled."""
        is_over = row.state in (OrderState.CANCELLED, OrderState.COMPLETED, OrderState.CLOSED)
        return ["recipient"] if is_over else ["recipient", "cancel"]

    @display(description=gettext_lazy("recipient"))
    def recipient(self, order: Order) -> str:
        """Who gets it, masked, and where to."""
        region = str(order.region) if order.region else ""
        return " ".join((mask_name(order.recipient_name), mask_phone(order.recipient_phone), region))

    @display(description=pgettext_lazy("goods", "lines"))
    def contents(self, order: Order) -> str:
        """What was bought."""
        return _listed(
            f"{line.sku_code or line.caller_code} {line.name} × {line.quantity} · {yuan(line.payable_amount)}"
            for line in order.lines.select_related("sku")
        )

    @display(description=gettext_lazy("sub-orders"))
    def parts(self, order: Order) -> str:
        """What it was split into."""
        return _listed(f"{part.number} · {part.get_state_display()}" for part in order.sub_orders.order_by("id"))


class OwnSubOrders(OwnPages):
    """The sub-orders that the merchant fulfils."""

    search_fields = ("number",)
    list_display = ("number", "state_label", "lateness", "warehouse", "payable", "created_at")
    list_select_related = ("warehouse",)
    list_filter = (("state", ChoicesDropdownFilter), late.LateFilter)
    fields = (("number", "state_label"), "lateness", ("warehouse", "payable_amount"), "contents", "created_at")
    readonly_fields = ("number", "state_label", "lateness", "warehouse", "payable_amount", "contents", "created_at")

    def own(self, merchant: Merchant) -> QuerySet[SubOrder]:
        """As the API."""
        return late.with_why(SubOrder.objects.visible_to(merchant))

    @display(description=gettext_lazy("lateness"))
    def lateness(self, sub_order: SubOrder) -> str:
        """What is late of it, or may be."""
        return late.why(sub_order)

    @display(description=pgettext_lazy("goods", "lines"))
    def contents(self, sub_order: SubOrder) -> str:
        """The merchant's goods in it."""
        return _listed(
            f"{line.order_line.sku.code} {line.order_line.name} × {line.quantity}"
            for line in sub_order.lines.select_related("order_line__sku")
        )


def _listed(lines: Any) -> SafeString:
    return format_html_join("", "<p>{}</p>", ((line,) for line in lines))


site.register(Order, OwnOrders)
site.register(SubOrder, OwnSubOrders)
