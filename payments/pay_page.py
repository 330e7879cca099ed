"""The public page on which a buyer pays an order: by a signed link, without anything personal."""

from typing import Any, Literal

import segno
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from oms.common.errors import OmsError
from orders.models import ChangeSet, Order, OrderState
from payments.models import Payment, PaymentState
from payments.providers import PagedProvider, get_paged
from payments.taking import differences, links, requesting, switching

# While something is to be waited for, the page is loaded again so often.
REFRESH_SECONDS = 4


@never_cache
@require_http_methods(["GET", "POST"])
def pay_view(request: HttpRequest, token: str) -> HttpResponse:
    """The page; by POST another way of paying is chosen."""
    order = links.order_of(token)
    if order is None:
        raise Http404
    refusal = ""
    if request.method == "POST":
        try:
            switching.pay_over(order.pk, _number(request.POST.get("over", "")))
        except OmsError as error:
            refusal = str(error)
        else:
            return redirect("pay", token)
    shown = _shown(order)
    opens = reverse("pay_open", args=[token]) if _paged(shown["payment"]) else ""
    response = render(request, "payments/pay.html", {**shown, "opens": opens, "refusal": refusal})
    if shown["is_waiting"]:
        response.headers["Refresh"] = str(REFRESH_SECONDS)
    return response


@never_cache
@require_safe
def open_view(request: HttpRequest, token: str) -> HttpResponse:
    """On to the provider's own page, in a browser or on a phone; back to ours where there is nothing to pay there."""
    order = links.order_of(token)
    if order is None:
        raise Http404
    payment = _asked(order, differences.waiting(order))
    provider = _paged(payment)
    if payment is None or payment.connection is None or provider is None:
        return redirect("pay", token)
    back = reverse("pay", args=[token])
    back = f"{settings.PUBLIC_URL}{back}" if settings.PUBLIC_URL else request.build_absolute_uri(back)
    kind: Literal["page", "wap"] = "wap" if "Mobi" in request.headers.get("User-Agent", "") else "page"
    charge = requesting.charge_of(payment.pk)
    return HttpResponseRedirect(provider.page(charge, payment.connection, kind, return_url=back))


def _paged(payment: Payment | None) -> PagedProvider | None:
    """The provider of a payment that the buyer may make on its own page."""
    link = payment.connection if payment and payment.state == PaymentState.PENDING else None
    return get_paged(link.protocol) if link else None


def _asked(order: Order, change: ChangeSet | None) -> Payment | None:
    """The payment that the buyer is asked for, if any."""
    is_waiting = order.state == OrderState.AWAITING_PAYMENT or change is not None
    return switching.current(order) if is_waiting else None


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _shown(order: Order) -> dict[str, Any]:
    change = differences.waiting(order)
    is_waiting = order.state == OrderState.AWAITING_PAYMENT or change is not None
    payment = _asked(order, change)
    code = payment.pay_code if payment and payment.state == PaymentState.PENDING else ""
    others = [link for link in switching.choices() if not payment or link.pk != payment.connection_id]
    return {
        "order": order,
        "due": change.balance_amount if change else order.payable_amount - order.paid_amount,
        "pay_by": change.pay_by if change else order.pay_by,
        "change": change,
        "is_waiting": is_waiting,
        "is_cancelled": order.state == OrderState.CANCELLED,
        "payment": payment,
        "code": qr_code(code) if code else "",
        # What an app reads may be a link that a phone opens itself.
        "address": code if code.startswith(("https://", "http://")) else "",
        "others": others if is_waiting and payment else [],
    }


def qr_code(text: str) -> SafeString:
    """The text as a QR code, drawn within the page."""
    # What segno draws holds shapes only: the text is no part of it.
    return SafeString(segno.make(text, error="m").svg_inline(scale=6, border=2, omitsize=True))
