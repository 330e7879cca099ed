"""The staff's pages of gift cards and points: each action its own right, codes shown once, second persons."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from payments.balances import codes
from payments.granting import limits
from payments.models import BalanceAccount, BalanceAdjustment
from tests.admin.conftest import client_of
from tests.balances import wallets
from tests.balances.wallets import by_card, by_points, has
from tests.payments import grants

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


def test_cards_are_issued_from_rows_with_a_result_for_each_and_codes_shown_once(shop):
    clerk = client_of("view_giftcard", "issue_giftcard")
    rows = "100.00, 2, 2030-12-31, New Year\n\nabc\n5.00, 0\n20.00\n1.00,1,2001-01-01"
    form = {"merchant": shop.merchant.pk, "batch": "B1", "is_sold": "on", "rows": rows}
    answer = clerk.post("/admin/payments/giftcard/issue/", form)

    page = answer.content.decode()
    cards = list(BalanceAccount.objects.order_by("pk"))
    assert [(card.available, card.reference) for card in cards] == [
        (10000, "New Year"),
        (10000, "New Year"),
        (2000, ""),
    ]
    assert cards[0].expires_at.isoformat() == "2030-12-31T16:00:00+00:00"  # type: ignore[union-attr]
    for card in cards:
        assert card.number in page
    assert page.count("This is no amount.") == 1
    assert page.count("Give a number of cards from 1 to 1000.") == 1
    assert page.count("This time is over already, or more than 50 years away.") == 1
    assert "no-store" in answer["Cache-Control"]
    again = clerk.post("/admin/payments/giftcard/issue/", form).content.decode()
    assert "These gift cards were issued already." in again
    assert BalanceAccount.objects.count() == 3


def test_no_page_shows_a_code_again(shop):
    issued = wallets.card(shop.merchant)
    order = shop.place_order(**by_card(issued, "5.00"), **by_points(0))
    boss = Client()
    boss.force_login(wallets.boss())
    for address in ("giftcard/", f"giftcard/{issued.card.pk}/change/", "pointsaccount/", "balanceadjustment/"):
        page = boss.get(f"/admin/payments/{address}").content.decode()
        assert issued.code not in page
        assert codes.digest(issued.code) not in page
    assert issued.card.masked_code in boss.get("/admin/payments/giftcard/").content.decode()
    page = boss.get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    assert issued.card.number in page
    assert issued.code not in page


def test_every_action_has_a_right_of_its_own(shop):
    issued = wallets.card(shop.merchant)
    key = issued.card.pk
    address = f"/admin/payments/giftcard/{key}"
    viewer = client_of("view_giftcard")
    assert viewer.get(f"{address}/change/").status_code == 200
    assert viewer.get("/admin/payments/giftcard/issue/").status_code == 403
    for action, form in (
        ("top-up", {"amount": "5.00"}),
        ("block", {"is_blocked": "1"}),
        ("adjust", {"amount": "5.00", "reason": "x"}),
    ):
        assert viewer.post(f"{address}/{action}/", form).status_code == 403
        assert viewer.get(f"{address}/{action}/").status_code in (403, 404)
    assert has(issued.card) == (10000, 0)

    client_of("view_giftcard", "issue_giftcard").post(f"{address}/top-up/", {"amount": "5.00", "is_sold": "on"})
    assert has(issued.card) == (10500, 0)
    client_of("view_giftcard", "block_giftcard").post(f"{address}/block/", {"is_blocked": "1"})
    assert wallets.now(issued.card).is_blocked
    limits.install_defaults()
    adjuster = client_of("view_giftcard", "adjust_giftcard")
    adjuster.post(f"{address}/adjust/", {"amount": "-5.00", "reason": "wrong amount"})
    # Somebody without a limit of their own needs a second person for everything.
    assert (has(issued.card), BalanceAdjustment.objects.get().state) == ((10500, 0), "proposed")
    assert (
        "Only 105.00 yuan are available."
        in adjuster.post(f"{address}/adjust/", {"amount": "-105.01", "reason": "x"}, follow=True).content.decode()
    )


def test_a_second_person_decides_in_the_list_about_what_it_may_adjust_itself(shop):
    limits.install_defaults()
    member = wallets.member(shop.merchant, 100)
    clerk = client_of("view_pointsaccount", "adjust_pointsaccount")
    clerk.post(f"/admin/payments/pointsaccount/{member.pk}/adjust/", {"amount": "50", "reason": "late"})
    waiting = BalanceAdjustment.objects.get(state="proposed")
    action = {"action": "approve_selected", "_selected_action": [waiting.pk]}

    head = grants.member("customer_service_lead", "wang")
    head.user_permissions.add(
        *Permission.objects.filter(
            codename__in=["view_balanceadjustment", "change_balanceadjustment", "adjust_giftcard"]
        )
    )
    client = Client()
    client.force_login(head)
    client.post("/admin/payments/balanceadjustment/", action)
    assert has(member) == (100, 0)
    head.user_permissions.add(Permission.objects.get(codename="adjust_pointsaccount"))
    client.post("/admin/payments/balanceadjustment/", action)
    assert has(member) == (150, 0)
