"""What of a merchant is late, or may be, is counted on its front page and told in the list."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from logistics.models import AlertKind, LogisticsAlert
from orders.models import DeliveryPromise, LateRisk, PromiseSource
from tests.portal import world

pytestmark = pytest.mark.django_db


def test_late_parts_and_promises_at_risk_are_counted_and_listed_with_their_reason() -> None:
    seller, other = world.make_seller(), world.make_seller()
    late, risky, both, fine = (work.sub_order for work in seller.orders(4))
    foreign = other.orders(1)[0].sub_order
    now = timezone.now()
    for part in (late, both, foreign):
        LogisticsAlert.objects.create(sub_order=part, kind=AlertKind.SHIP_LATE, due_at=now)
    LogisticsAlert.objects.create(
        sub_order=fine, kind=AlertKind.SHIP_LATE, due_at=now, closed_at=now, closed_by="watch"
    )
    for part in (risky, both):
        DeliveryPromise.objects.create(
            sub_order=part,
            order=part.order,
            number=1,
            source=PromiseSource.values[0],
            starts_at=now,
            promised_by=now + timedelta(days=1),
            tables_version=1,
            region=part.order.region,
            warehouse=part.warehouse,
            expected_warehouse=part.warehouse,
            risk=LateRisk.NOT_OUT,
            risk_since=now,
        )
    li = world.person_of(seller.merchant)

    assert "Late, or may be" in li.get("/merchant/").content.decode()
    shown = rows(li, "?late=yes")
    assert set(shown) == {late.number, risky.number, both.number}
    assert shown[late.number] == "Shipping deadline missed"
    assert "at risk" in shown[risky.number]
    assert [words in shown[both.number] for words in ("Shipping deadline missed; ", "at risk")] == [True, True]
    assert set(rows(li, "")) == {late.number, risky.number, both.number, fine.number}


def rows(client: Client, query: str) -> dict[str, str]:
    """Lateness by number, as the list tells it."""
    page = client.get(f"/merchant/orders/suborder/{query}")
    parts = page.context["cl"].result_list
    model_admin = page.context["cl"].model_admin
    return {part.number: model_admin.lateness(part) for part in parts}
