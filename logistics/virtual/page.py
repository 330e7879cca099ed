"""The public page on which a buyer gets the virtual goods of a sub-order: by a signed link, and by the end of the phone
where the order has one. What was bought is shown by a press of a button only: programs that follow links press none."""

from collections.abc import Sequence
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from logistics.buyer import checking
from logistics.buyer.asking import BUYER
from logistics.buyer.page import ask_for_digits
from logistics.models import VirtualDelivery, VirtualSupply
from logistics.virtual import confirming, links, revealing
from oms.common.errors import OmsError
from orders.models import SubOrder, SubOrderLine, SubOrderState
from orders.models.sub_order import ARRIVED, UNDONE


@never_cache
@require_http_methods(["GET", "POST"])
def good_view(request: HttpRequest, token: str) -> HttpResponse:
    """The page; by POST the buyer looks at the goods, or confirms that they came."""
    part = links.part_of(token)
    if part is None or not part.is_virtual:
        raise Http404
    if checking.ends_of(part.order) and not checking.is_believed(request, part.order):
        return ask_for_digits(request, part.order)
    refusal, status, contents = "", 200, None
    if request.method == "POST":
        try:
            match request.POST.get("action"):
                case "reveal":
                    contents = revealing.reveal(part.pk, actor=BUYER)
                case "confirm":
                    confirming.confirm(part.pk, actor=BUYER)
                    return redirect(request.path)
                case "deny":
                    confirming.deny(part.pk, actor=BUYER)
                    return redirect(f"{request.path}?told=1")
        except OmsError as error:
            refusal, status = str(error), error.status_code
    return _page(request, part.pk, refusal, contents, status)


def _page(
    request: HttpRequest, part_id: int, refusal: str, contents: Sequence[revealing.Content] | None, status: int
) -> HttpResponse:
    part = SubOrder.objects.get(pk=part_id)
    delivery = VirtualDelivery.objects.defer("content").filter(sub_order=part).first()
    lines = SubOrderLine.objects.filter(sub_order=part).select_related("order_line").order_by("id")
    supplies = VirtualSupply.objects.filter(sku__in=[line.order_line.sku_id for line in lines]).exclude(instructions="")
    is_there = delivery is not None and part.state in ARRIVED
    is_seen = is_there and delivery is not None and delivery.revealed_at is not None
    context: dict[str, Any] = {
        "goods": [(line.order_line.name, line.quantity) for line in lines],
        "instructions": list(supplies.order_by("id").values_list("instructions", flat=True)),
        "part": part,
        "delivery": delivery,
        "is_there": is_there,
        "is_undone": part.state in UNDONE,
        "contents": contents,
        "may_confirm": is_seen and part.state == SubOrderState.DELIVERED,
        "may_deny": is_seen,
        "refusal": refusal,
        "is_told": "told" in request.GET and not refusal,
    }
    response = render(request, "logistics/good.html", context, status=status)
    if status == 429:
        response.headers["Retry-After"] = str(int(revealing.WITHIN.total_seconds()))
    return response
