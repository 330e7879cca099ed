"""The staff's pages on bank transfers: one person enters what the account shows, another approves it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from oms.common.desk.lists import KeysetAdmin, RowColumns
from oms.common.errors import OmsError
from oms.merchants.joining.onboarding import media_type_of
from orders.admin.actions import check_part_of, posted
from orders.admin.staff import staff_actor
from orders.asked import panels
from orders.models import Order, OrderState
from payments.models import BankTransfer, TransferState
from payments.taking import transfers
from payments.taking.transfers import Scan

ENTER, APPROVE = "payments.enter_banktransfer", "payments.approve_banktransfer"


class _TransferForm(forms.Form):
    amount = forms.DecimalField(
        label=gettext_lazy("Amount"), min_value=Decimal("0.01"), max_digits=12, decimal_places=2
    )
    serial = forms.CharField(label=gettext_lazy("Bank serial number"), max_length=64)
    paid_on = forms.DateField(label=gettext_lazy("Paid on"))
    note = forms.CharField(label=gettext_lazy("Note"), max_length=200, required=False)


class _DecisionForm(forms.Form):
    row = forms.IntegerField(min_value=1)
    decision = forms.ChoiceField(choices=[("approve", "approve"), ("refuse", "refuse")])


@posted(ENTER, _TransferForm)
def _enter(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    """Enter a transfer for the order."""
    transfers.enter(order_id, **data, scan=scan_of(request), actor=staff_actor(request))
    return _("The transfer is entered; somebody else must approve it.")


def scan_of(request: HttpRequest) -> Scan | None:
    """The scan that was sent with a form, if one was. Raises OmsError for another kind of file, and a large one."""
    file = request.FILES.get("scan")
    if file is None:
        return None
    try:
        media_type, _extension = media_type_of(file)
    except ValidationError as error:
        raise OmsError(" ".join(error.messages), attr="scan") from error
    if (file.size or 0) > transfers.MOST_SCAN_BYTES:
        raise OmsError(_("The scan is larger than %(most)d MB.") % {"most": transfers.MOST_SCAN_BYTES // 2**20})
    return Scan(file.read(), media_type)


@posted(APPROVE, _DecisionForm)
def _decide(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    """Approve or refuse a transfer of the order."""
    check_part_of(order_id, BankTransfer, data["row"])
    if data["decision"] == "refuse":
        transfers.refuse(data["row"], actor=staff_actor(request))
        return _("The transfer is refused.")
    transfers.approve(data["row"], actor=staff_actor(request))
    return _("The transfer is booked as money.")


def _show_scan(request: HttpRequest, row_id: int) -> HttpResponse:
    """The scan of a transfer, as a file."""
    if not (request.user.has_perm(ENTER) or request.user.has_perm(APPROVE)):
        raise PermissionDenied
    transfer = BankTransfer.objects.filter(pk=row_id).first()
    scan = transfers.scan_of(transfer) if transfer else None
    if scan is None:
        raise Http404
    extension = scan.media_type.rpartition("/")[2]
    disposition = {"Content-Disposition": f'attachment; filename="transfer-{row_id}.{extension}"'}
    return HttpResponse(scan.content, content_type=scan.media_type, headers=disposition)


@admin.register(BankTransfer)
class BankTransferAdmin(RowColumns, KeysetAdmin):
    """Transfers to our account. They are entered and decided on their orders' pages."""

    search_fields = ("serial", "order__number")
    search_help_text = gettext_lazy("Bank serial or order number")
    list_display = (
        *("serial", "order_link", "state_label", "amount", "paid_on"),
        *("entered_by", "entered_at", "decided_by", "decided_at"),
    )
    list_select_related = ("order",)
    list_filter = (("state", ChoicesDropdownFilter),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[BankTransfer]:
        """Without the scans."""
        return super().get_queryset(request).defer("scan")

    def get_urls(self) -> list[Any]:
        """The addresses of what staff do to transfers on the order's page."""
        wrap = self.admin_site.admin_view
        return [
            path("of/<int:order_id>/enter/", wrap(_enter), name="payments_transfer_enter"),
            path("of/<int:order_id>/decide/", wrap(_decide), name="payments_transfer_decide"),
            path("<int:row_id>/scan/", wrap(_show_scan), name="payments_transfer_scan"),
            *super().get_urls(),
        ]


def _transfers_of(order: Order) -> Mapping[str, Any] | None:
    rows = list(BankTransfer.objects.filter(order=order).defer("scan").order_by("id"))
    may_enter = order.state == OrderState.AWAITING_PAYMENT
    if not rows and not may_enter:
        return None
    waiting = [row.pk for row in rows if row.state == TransferState.ENTERED]
    return {"rows": rows, "waiting": waiting, "may_enter": may_enter, "due": order.payable_amount - order.paid_amount}


panels.register(
    panels.Panel(gettext_lazy("Bank transfers"), "admin/payments/transfer_panel.html", _transfers_of, position=42)
)
