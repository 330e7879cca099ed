"""Every address of the merchants' pages, taken from the table of addresses itself: to a foreign merchant what is there
answers just as what is not there at all.

A new page is walked over without anybody thinking of it; where it is about rows of another kind than its own, it fails
until this test knows which.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver

import oms.urls  # noqa: F401 - brings all pages
from oms import merchant_admin
from oms.common.errors import FieldError
from oms.merchants.calls import credentials
from oms.merchants.models import RefusedCall
from oms.telling import receivers
from oms.telling.receivers import Wanted
from orders.intake.rejecting import RefusedRow, keep
from orders.models import RejectedOrder, ReturnPhoto
from tests.invoicing import world as invoices
from tests.portal import world
from tests.portal.test_returns import act, delivered
from tests.returns import world as returns

pytestmark = pytest.mark.django_db
NOBODY = 987654321
# Of these the world below has no row.
WITHOUT = {
    *("common.job", "inventory.replenishmentpolicy", "inventory.replenishmentsuggestion", "inventory.stockhold"),
    *("merchants.webhookdelivery", "merchants.webhookendpoint", "payments.deposit", "payments.refund"),
    *("payments.refundgrant", "payments.settlementrow", "payments.statement"),
}
_PLACE = re.compile(r"<(?:\w+:)?(\w+)>")


@pytest.fixture
def seller(db: None, settings: Any, tmp_path: Any) -> world.Seller:
    """A merchant with a row of most that there is."""
    settings.MEDIA_ROOT = tmp_path
    returns.install()
    seller = world.make_seller()
    order = delivered(seller)
    invoices.written(order, seller.merchant)
    row = returns.ask(order, {1: 1}, files=[returns.photo()])
    act(world.person_of(seller.merchant), row, "hand-over", carrier="SF", waybill="SF900000001")
    keep(seller.merchant, RejectedOrder.Door.BULK, [RefusedRow(b"{}", "", [FieldError("lines", "required", "x")])])
    own = credentials.issue(seller.merchant, "own").credential
    RefusedCall.objects.create(merchant=seller.merchant, credential=own, method="GET", path="/api/v1/x", status=404)
    receivers.add(seller.merchant, Wanted("Li", "mail", ["to_ship"], 1, "en", "li@example.com"))
    return seller


def routes(patterns: list[Any], prefix: str) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            yield prefix + str(pattern.pattern)
        elif isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, prefix + str(pattern.pattern))


def told(answer: HttpResponse, key: int) -> tuple[int, str]:
    """What an answer tells: its status, and where it leads to."""
    return answer.status_code, answer.get("Location", "").replace(str(key), "ROW")


def test_to_others_what_is_there_answers_as_what_is_not(seller: world.Seller) -> None:
    owner = world.person_of(seller.merchant)
    stranger = world.person_of(world.make_seller().merchant)
    request = RequestFactory().get("/merchant/")
    request.user = get_user_model().objects.get(pk=owner.session["_auth_user_id"])
    photo = ReturnPhoto.objects.get()
    others = {"order_id": photo.return_request.order_id, "photo_id": photo.pk}
    missing, walked, wrong = set(), 0, []
    for model, pages in merchant_admin.site._registry.items():
        row = pages.get_queryset(request).order_by("pk").first()
        if row is None:
            missing.add(model._meta.label_lower)
        for route in routes(pages.get_urls(), f"/merchant/{model._meta.app_label}/{model._meta.model_name}/"):
            names = _PLACE.findall(route)
            if len(names) != 1 or (row is None and names[0] not in others) or names[0] == "content_type_id":
                continue
            key = others.get(names[0]) or row.pk
            there, nowhere = _PLACE.sub(str(key), route), _PLACE.sub(str(NOBODY), route)
            walked += 1
            for call in (Client.get, Client.post):
                form = {"version": 1, "reason": "x", "text": "x", "waybill": "SF1", "step": "send"}
                answers = [told(call(stranger, there, form), key), told(call(stranger, nowhere, form), NOBODY)]
                if answers[0] != answers[1] or answers[0][0] in (200, 500):
                    wrong.append((call.__name__, there, *answers))
    assert wrong == []
    assert walked > 60
    assert missing == WITHOUT
