"""The pages of alert lines and suggestions, of staff and of merchants."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from inventory import hosting
from inventory.models import PurchaseOrder, ReplenishmentPolicy, ReplenishmentSuggestion
from tests import factories
from tests.admin.conftest import client_of
from tests.merchants.test_merchant_admin import person_of
from tests.replenishing import places
from tests.replenishing.places import policy, suggested, watch

pytestmark = pytest.mark.django_db
POLICIES, SUGGESTIONS = "inventory_replenishmentpolicy", "inventory_replenishmentsuggestion"


@pytest.fixture
def boss() -> Client:
    return client_of(is_superuser=True)


def form_of(shop: factories.Shop, **fields: object) -> dict[str, object]:
    """What a page of one policy posts."""
    usual = {
        "warehouse": shop.warehouse.pk,
        "sku": shop.sku.pk,
        "method": "fixed",
        "runs_by": "approval",
        "reorder_point": 100,
        "order_up_to": 160,
        "service_percent": "95",
        "cover_days": 7,
        "lead_days": "7",
        "lead_deviation_days": "1",
        "pack_size": 1,
        "minimum_quantity": 0,
        "is_active": "on",
    }
    return {**usual, **fields}


def test_staff_set_a_line_by_its_page_and_see_where_its_position_is(boss, shop):
    add = reverse(f"admin:{POLICIES}_add")
    wrong = boss.post(add, form_of(shop, order_up_to=100))
    assert wrong.status_code == 200
    assert "Order up to more than the reorder point." in wrong.content.decode()
    assert not ReplenishmentPolicy.objects.exists()

    assert boss.post(add, form_of(shop)).status_code == 302
    made = ReplenishmentPolicy.objects.get()
    boss.post(
        reverse(f"admin:{POLICIES}_change", args=[made.pk]),
        form_of(shop, reorder_point=99, pack_size=12, seen_version=1),
    )

    made = ReplenishmentPolicy.objects.get()
    assert (made.reorder_point, made.pack_size, made.below_since) == (99, 12, None)
    places.wanted(shop.sku, shop.warehouse, {1: 8}, filled=6)
    (row,) = boss.get(reverse(f"admin:{POLICIES}_changelist")).context["cl"].result_list
    assert row.standing.position == 100
    page = boss.get(reverse(f"admin:{POLICIES}_change", args=[made.pk])).content.decode()
    assert "75.0 %" in page
    # Who looked at the line before that sees it as it is now.
    late = boss.post(reverse(f"admin:{POLICIES}_change", args=[made.pk]), form_of(shop, seen_version=1))
    assert "Somebody else changed this meanwhile" in late.content.decode()
    far = form_of(shop, seen_version=2, snoozed_until_0="2099-01-01", snoozed_until_1="00:00:00")
    refused = boss.post(reverse(f"admin:{POLICIES}_change", args=[made.pk]), far)
    assert "within the next 365 days" in refused.content.decode()
    assert ReplenishmentPolicy.objects.get().version == 2


@pytest.mark.parametrize("absurd", ["-5", "20", "100", "x"])
def test_an_absurd_service_level_is_refused_in_words(boss, shop, absurd):
    # Also where something else is wrong: then only the database's own check is asked.
    unnamed = boss.post(reverse(f"admin:{POLICIES}_add"), form_of(shop, service_percent=absurd, sku=""))
    assert unnamed.status_code == 200
    wrong = boss.post(reverse(f"admin:{POLICIES}_add"), form_of(shop, service_percent=absurd))
    assert wrong.status_code == 200
    assert wrong.context["adminform"].form.errors
    assert not ReplenishmentPolicy.objects.exists()


def test_a_line_where_the_goods_are_kept_no_longer_can_only_be_switched_off(boss, shop):
    host = factories.WarehouseFactory()
    stay = hosting.begin(host, shop.merchant, actor="test")
    line = policy(shop, warehouse=host.code)
    hosting.end(stay.pk, actor="test")
    page, seen = reverse(f"admin:{POLICIES}_change", args=[line.pk]), {"seen_version": line.version}
    refused = boss.post(page, form_of(shop, **seen, reorder_point=5))
    assert "There is no warehouse" in refused.content.decode()
    off = {name: value for name, value in form_of(shop, **seen).items() if name != "is_active"}
    assert boss.post(page, off).status_code == 302
    assert not ReplenishmentPolicy.objects.get().is_active


def test_many_lines_are_pasted_with_a_result_for_each_row(boss, shop):
    page = reverse(f"admin:{POLICIES}_rows")
    rows = f"{shop.warehouse.code}\t{shop.sku.code}\t10\t40\t6\n{shop.warehouse.code} none 1 2\n"
    rows += f"{shop.warehouse.code} {shop.other_sku.code} 97.5% 3"

    answer = boss.post(page, {"merchant": shop.merchant.pk, "rows": rows})

    assert (answer.context["changed"], [row[0] for row in answer.context["refused"]]) == (2, [2])
    assert "There is no SKU none." in answer.content.decode()
    fixed, computed = ReplenishmentPolicy.objects.order_by("sku__code")
    assert (fixed.reorder_point, fixed.order_up_to, fixed.pack_size) == (10, 40, 6)
    assert (computed.method, float(computed.service_percent), float(computed.lead_days)) == ("computed", 97.5, 3.0)
    broken = boss.post(page, {"merchant": shop.merchant.pk, "rows": f"{shop.warehouse.code} {shop.sku.code} 1.5 2"})
    assert "1.5 is no whole number" in broken.content.decode()
    half = f"{shop.warehouse.code} {shop.sku.code} 1.5 2\n{shop.warehouse.code} {shop.other_sku.code} 98% 3"
    mixed = boss.post(page, {"merchant": shop.merchant.pk, "rows": half})
    assert (mixed.context["changed"], [row[0] for row in mixed.context["refused"]]) == (1, [1])
    huge = boss.post(page, {"merchant": shop.merchant.pk, "rows": f"{shop.warehouse.code} {shop.sku.code} 1e30% 3"})
    assert "1e30 is no number with at most one decimal place" in huge.content.decode()
    assert ReplenishmentPolicy.objects.get(pk=fixed.pk).reorder_point == 10
    assert client_of("view_replenishmentpolicy").get(page).status_code == 403


def test_many_suggestions_are_approved_and_rejected_at_once(shop):
    policy(shop)
    policy(shop, shop.other_sku)
    watch()
    ids = list(ReplenishmentSuggestion.objects.order_by("pk").values_list("pk", flat=True))
    page = reverse(f"admin:{SUGGESTIONS}_changelist")
    clerk = client_of("view_replenishmentsuggestion", "decide_replenishmentsuggestion")

    def act(client: Client, action: str, **more: str) -> str:
        posted = {"action": action, "_selected_action": ids, "index": 0, **more}
        return client.post(page, posted, follow=True).content.decode()

    assert "Reason for rejecting" in clerk.get(page).content.decode()
    act(client_of("view_replenishmentsuggestion"), "approve_selected")
    assert "Give a reason." in act(clerk, "reject_selected")
    assert [state for *_rest, state in suggested()] == ["open", "open"]
    assert "2 suggestions were decided." in act(clerk, "approve_selected")
    assert PurchaseOrder.objects.get().lines.count() == 2
    assert "(× 2)" in act(clerk, "reject_selected", reason="too late")
    assert [state for *_rest, state in suggested()] == ["done", "done"]


def test_one_suggestion_is_rejected_by_its_page(boss, shop):
    policy(shop)
    watch()
    one = ReplenishmentSuggestion.objects.get()
    action = reverse(f"admin:{SUGGESTIONS}_reject", args=[one.pk])
    assert action in boss.get(reverse(f"admin:{SUGGESTIONS}_change", args=[one.pk])).content.decode()

    boss.post(action, {"version": one.version, "reason": "停售"})

    one = ReplenishmentSuggestion.objects.get()
    assert (one.state, one.reason) == ("rejected", "停售")
    assert action not in boss.get(reverse(f"admin:{SUGGESTIONS}_change", args=[one.pk])).content.decode()


def test_a_line_is_snoozed_by_its_page(boss, shop):
    low = policy(shop)
    watch()
    action = reverse(f"admin:{POLICIES}_snooze", args=[low.pk])
    boss.post(action, {"version": low.version, "days": 3})
    snoozed = ReplenishmentPolicy.objects.get()
    assert snoozed.snoozed_until is not None
    assert (snoozed.snoozed_until - timezone.now()).days == 2
    assert (places.open_tickets(), suggested()) == ([], [("buy", "", 100, "withdrawn")])
    boss.post(action, {"version": snoozed.version, "days": 0})
    assert watch() == 1


def test_the_measured_service_stands_beside_the_target(boss, shop):
    policy(shop, service_percent=95)
    places.wanted(shop.sku, shop.warehouse, dict.fromkeys(range(1, 11), 10), filled=9)
    places.wanted(shop.other_sku, shop.warehouse, {1: 2})

    page = boss.get(reverse("admin:inventory_replenishment_service"))

    rows = [(row.speed, row.skus, row.with_policy, row.share, row.is_missed) for row in page.context["rows"]]
    assert rows == [("slow", 1, 0, "100.0 %", False), ("fast", 1, 1, "90.0 %", True)]
    assert client_of("view_order").get(reverse("admin:inventory_replenishment_service")).status_code == 403


def test_a_merchant_sets_lines_of_its_own_goods_only(shop):
    other = factories.make_shop()
    theirs = policy(other)
    client = person_of(shop.merchant)
    page = reverse(f"merchant:{POLICIES}_rows")
    rows = f"{shop.warehouse.code} {shop.sku.code} 100 160\n{other.warehouse.code} {other.sku.code} 1 2"

    answer = client.post(page, {"rows": rows, "merchant": other.merchant.pk})

    assert (answer.context["changed"], [row[0] for row in answer.context["refused"]]) == (1, [2])
    own = ReplenishmentPolicy.objects.get(sku=shop.sku)
    assert own.changed_by == f"{shop.merchant.code} li"
    client.post(
        reverse(f"merchant:{POLICIES}_change", args=[own.pk]), form_of(other, reorder_point=120, seen_version=1)
    )
    foreign = client.post(reverse(f"merchant:{POLICIES}_change", args=[theirs.pk]), form_of(other, reorder_point=1))
    assert foreign.status_code in (302, 404)
    assert ReplenishmentPolicy.objects.get(pk=own.pk).reorder_point == 120
    assert ReplenishmentPolicy.objects.get(pk=own.pk).sku == shop.sku
    assert ReplenishmentPolicy.objects.get(pk=theirs.pk).reorder_point == 100
    watch()
    page = client.get(reverse(f"merchant:{SUGGESTIONS}_changelist")).content.decode()
    assert shop.sku.code in page
    assert other.sku.code not in page
    assert "approve_selected" not in page


def test_the_list_of_stock_is_narrowed_to_what_is_at_its_line(boss, shop):
    low, other = shop.warehouse.stock.get(sku=shop.sku), shop.warehouse.stock.get(sku=shop.other_sku)
    shop.warehouse.stock.update(reorder_point=100)
    policy(shop, reorder_point=99)
    page = reverse("admin:inventory_stock_changelist")

    def listed() -> set[int]:
        return {row.pk for row in boss.get(page, {"below_alert": "1"}).context["cl"].result_list}

    watch()
    assert listed() == {other.pk}, "its policy says that it is not low"
    places.change(shop.sku, shop.warehouse, -1)
    watch()
    assert listed() == {low.pk, other.pk}
