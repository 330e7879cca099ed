"""The public page on which a buyer sees where an order's goods are: by a signed link and the end of a phone."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from logistics.buyer import asking, checking, links, returning, telling
from oms.common.errors import OmsError
from oms.common.messages import writing
from orders.models import Order


@never_cache
@require_http_methods(["GET", "POST"])
def track_view(request: HttpRequest, token: str) -> HttpResponse:
    """The page; by POST the buyer proves that the order is theirs, or asks for something."""
    order = links.order_of(token)
    if order is None:
        raise Http404
    if not checking.is_believed(request, order):
        return ask_for_digits(request, order)
    refusal = ""
    if request.method == "POST":
        try:
            _do(request, order)
        except OmsError as error:
            refusal = str(error)
        else:
            return redirect(f"{request.path}?done=1")
    context = {
        "order": order,
        "state": telling.state_of(order),
        "place": f"{order.region.city} {order.region.district}" if order.region else "",
        "parts": [(part, returning.lines_of(part.row)) for part in telling.parts_of(order)],
        "returns": returning.told(order),
        "return_reasons": returning.reasons(),
        "return_kinds": returning.kinds(),
        "told": writing.shown(order.pk),
        "may_cancel": asking.may_cancel(order),
        "refusal": refusal,
        "is_done": "done" in request.GET and not refusal,
        "reason": request.POST.get("reason", "")[: asking.LONGEST_REASON] if refusal else "",
    }
    return render(request, "logistics/track.html", context)


def ask_for_digits(request: HttpRequest, order: Order) -> HttpResponse:
    """The page that asks for the end of the phone; who gives the right one is believed at this address."""
    refusal, status = "", 200
    if request.method == "POST":
        try:
            checking.check(order, request.POST.get("digits", ""))
        except OmsError as error:
            refusal = str(error)
            status = 429 if isinstance(error, checking.TooManyTries) else 403
        else:
            on = redirect(request.path)
            checking.believe(on, order, request.path)
            return on
    context = {"has_phone": bool(checking.ends_of(order)), "refusal": refusal}
    response = render(request, "logistics/track_check.html", context, status=status)
    if status == 429:
        response.headers["Retry-After"] = str(int(checking.WITHIN.total_seconds()))
    return response


def _do(request: HttpRequest, order: Order) -> None:
    part = request.POST.get("part", "")
    key = int(part) if part.isascii() and part.isdigit() and len(part) < 19 else 0
    reason = request.POST.get("reason", "")
    match request.POST.get("action"):
        case "cancel":
            asking.cancellation(order.pk, reason)
        case str() as action if action in returning.ACTIONS:
            returning.act(request, order, action)
        case "confirm":
            asking.confirm(order.pk, key)
        case "deny":
            asking.deny(order.pk)
