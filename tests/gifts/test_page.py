"""The page of a gift rule, where two people change it."""

import pytest
from django.urls import reverse

from orders.models import GiftRule
from tests import factories

pytestmark = pytest.mark.django_db


def test_the_second_of_two_is_told_only_what_really_differs(shop, admin_client):
    rule = GiftRule.objects.create(name="r", gift=shop.other_sku)
    rule.goods.add(shop.sku)
    seen = GiftRule.objects.get(pk=rule.pk).version
    GiftRule.objects.filter(pk=rule.pk).update(after_days=3)
    address = reverse("admin:orders_giftrule_change", args=[rule.pk])
    typed = {
        "name": "r",
        "priority": "100",
        "time_kind": "paid",
        "goods": [str(shop.sku.pk)],
        "gift": str(shop.other_sku.pk),
        "gift_units": "1",
        "stated_value": "0",
        "most_times": "1",
        "after_days": "7",
        "seen_version": str(seen),
    }

    page = admin_client.post(address, typed, headers={"accept-language": "en"})
    told = [str(text) for text in page.context["adminform"].form.errors["name"]]
    assert told[1:] == ["So many days after completion is now: 3"]
    other = factories.SkuFactory(merchant=shop.merchant)
    page = admin_client.post(address, {**typed, "goods": [str(other.pk)]}, headers={"accept-language": "en"})
    told = [str(text) for text in page.context["adminform"].form.errors["name"]]
    assert f"Goods that count is now: {shop.sku}" in told
    assert GiftRule.objects.get(pk=rule.pk).after_days == 3
