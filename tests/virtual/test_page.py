"""The buyer's page of virtual goods: who has the link gets the goods, nobody else, and each look is kept."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from logistics.models import Reveal
from logistics.virtual import confirming, links, revealing, stocking, taking_back
from oms.common.work import clock
from orders.fulfilling import completing
from orders.models import Order, OrderEvent, SubOrder
from tests import factories, steps
from tests.virtual import world

pytestmark = pytest.mark.django_db
CODE = "CARD-0001-0002-0003"


@pytest.fixture
def part(shop: factories.Shop) -> SubOrder:
    """A delivered sub-order of one code, whose order has no phone."""
    sku = world.code_sku(shop, name="月卡")
    world.bring(shop, sku, [CODE])
    found = world.delivered(shop, sku)
    Order.objects.filter(pk=found.order_id).update(recipient_phone="", buyer_phone="")
    return found


def browser(language: str = "en") -> Client:
    return Client(headers={"accept-language": language})


def test_the_good_is_shown_by_a_press_of_the_button_only_and_each_look_is_kept(part: SubOrder) -> None:
    path, client = links.path_of(part), browser()
    before = client.get(path)
    assert (before.status_code, "no-store" in before["Cache-Control"]) == (200, True)
    # Other sites are not told the link. A browser that tells nobody posts as nobody, which is refused as a forgery.
    assert before["Referrer-Policy"] == "same-origin"
    shown = before.content.decode()
    assert "月卡 × 1" in shown
    assert "cannot be given back any more" in shown
    assert CODE not in shown
    assert "I have it" not in shown
    assert not Reveal.objects.exists()

    assert CODE in client.post(path, {"action": "reveal"}).content.decode()

    assert CODE in client.post(path, {"action": "reveal"}).content.decode()
    assert list(Reveal.objects.values_list("actor_kind", "actor")) == [("buyer", "buyer")] * 2
    # Told once, and without the code.
    (told,) = OrderEvent.objects.filter(kind="virtual_seen_by_buyer")
    assert (told.actor_kind, told.data) == ("buyer", {"number": part.number})
    after = client.get(path).content.decode()
    assert ("First looked at on" in after, CODE in after) == (True, False)
    for other in ("张华", "13800001111", "中山路", part.order.external_number, "15.00"):
        assert other not in shown + after


def test_the_buyer_confirms_what_was_looked_at_and_the_order_is_completed(part: SubOrder) -> None:
    path, client = links.path_of(part), browser()
    refused = client.post(path, {"action": "confirm"})
    assert (refused.status_code, "Look at it first" in refused.content.decode()) == (409, True)
    client.post(path, {"action": "reveal"})

    assert client.post(path, {"action": "confirm"}).status_code == 302
    assert client.post(path, {"action": "confirm"}).status_code == 302

    assert (steps.state_of(part), steps.state_of(part.order)) == ("completed", "completed")
    assert world.delivery_of(part).confirmed_at is not None
    assert OrderEvent.objects.filter(kind="receipt_confirmed").count() == 1
    page = client.get(path).content.decode()
    assert ("You have it. Thank you." in page, "Show it" in page) == (True, True)
    assert steps.broken_invariants() == []


def test_a_code_that_does_not_work_stops_the_clock_and_calls_a_person(part: SubOrder) -> None:
    path, client = links.path_of(part), browser()
    client.post(path, {"action": "reveal"})
    answer = client.post(path, {"action": "deny"})
    assert (answer.status_code, answer["Location"]) == (302, f"{path}?told=1")
    assert "The shop knows." in client.get(answer["Location"]).content.decode()
    assert steps.tickets() == [("receipt_denied", "")]
    SubOrder.objects.filter(pk=part.pk).update(delivered_at=timezone.now() - timedelta(days=30))
    assert completing.run(10) == 0


def test_what_nobody_confirms_is_completed_after_the_days_of_the_setting(part: SubOrder, settings: object) -> None:
    settings.COMPLETE_AFTER_SECONDS = 3600  # type: ignore[attr-defined]
    assert completing.run(10) == 0
    SubOrder.objects.filter(pk=part.pk).update(delivered_at=timezone.now() - timedelta(seconds=3660))
    assert completing.run(10) == 1
    assert steps.state_of(part) == "completed"


def test_what_was_completed_by_the_clock_does_not_count_as_confirmed_and_a_person_is_called_where_it_does_not_work(
    part: SubOrder,
) -> None:
    path, client = links.path_of(part), browser()
    SubOrder.objects.filter(pk=part.pk).update(delivered_at=timezone.now() - timedelta(days=300))
    assert completing.run(10) == 1
    unseen = client.get(path).content.decode()
    assert ("You have it" in unseen, "The order is completed." in unseen) == (False, True)
    assert "It does not work" not in unseen
    assert client.post(path, {"action": "deny"}).status_code == 409
    assert steps.tickets() == []
    client.post(path, {"action": "reveal"})
    assert "It does not work" in client.get(path).content.decode()

    for _time in range(2):
        answer = client.post(path, {"action": "deny"})
        assert "The shop knows." in client.get(answer["Location"]).content.decode()

    assert steps.tickets() == [("good_does_not_work", "")]
    assert steps.state_of(part) == "completed"
    assert steps.broken_invariants() == []


def test_where_the_order_has_a_phone_its_end_is_asked_for(shop: factories.Shop) -> None:
    sku = world.code_sku(shop)
    world.bring(shop, sku, [CODE])
    part = world.delivered(shop, sku)
    path, client = links.path_of(part), browser()
    assert "last four digits" in client.get(path).content.decode()
    assert CODE not in client.post(path, {"action": "reveal"}).content.decode()
    assert client.post(path, {"digits": "9999"}).status_code == 403
    assert client.post(path, {"digits": "1111"}).status_code == 302
    assert CODE in client.post(path, {"action": "reveal"}).content.decode()
    # The tries are those of the order, by whatever page.
    other = browser()
    answers = [other.post(path, {"digits": "0000"}).status_code for _ in range(7)]
    assert answers == [403] * 5 + [429] * 2


def test_a_link_that_was_made_up_or_is_over_or_of_a_parcel_is_none(part: SubOrder, shop: factories.Shop) -> None:
    path = links.path_of(part)
    token = path.split("/")[2]
    assert browser().get(path.replace(token, token[:-1] + ("A" if token[-1] != "A" else "B"))).status_code == 404
    assert browser().get(path.replace(part.number, "1000000000000001-1")).status_code == 404
    parcel = SubOrder.objects.get(order=factories.allocated_order(shop.sku))
    assert browser().get(links.path_of(parcel)).status_code == 404
    with time_machine.travel(timezone.now() + links.VALID + timedelta(hours=1)):
        assert browser().get(path).status_code == 404


def test_nobody_looks_without_end(part: SubOrder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revealing, "MOST_LOOKS", 2)
    path, client = links.path_of(part), browser()
    answers = [client.post(path, {"action": "reveal"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert (CODE in answers[2].content.decode(), answers[2]["Retry-After"]) == (False, "3600")
    # Staff with a reason are not kept from it.
    assert revealing.reveal(part.pk, actor=steps.STAFF, reason="the buyer asks")


def test_what_was_taken_back_shows_no_code(part: SubOrder) -> None:
    taking_back.take_back(part.pk, reason="wrong article", actor=steps.STAFF)
    path, client = links.path_of(part), browser()
    assert "This was taken back." in client.get(path).content.decode()
    refused = client.post(path, {"action": "reveal"})
    assert (refused.status_code, CODE in refused.content.decode()) == (409, False)
    assert not Reveal.objects.exists()


def test_the_page_speaks_the_buyers_language_and_tells_how_to_use_it(part: SubOrder) -> None:
    supply = stocking.begin(part.lines.get().order_line.sku_id)
    stocking.change_supply(supply.pk, alert_below=None, instructions="登录后输入卡号<b>", version=supply.version)
    page = browser("zh-hans").get(links.path_of(part)).content.decode()
    assert "登录后输入卡号&lt;b&gt;" in page
    assert "查看" in page
    assert "Show it" not in page


def test_what_is_not_delivered_yet_says_so(shop: factories.Shop) -> None:
    sku = world.code_sku(shop)
    world.bring(shop, sku, [CODE])
    part = SubOrder.objects.get(order=world.bought(shop, (sku, 1, "15.00")))
    Order.objects.filter(pk=part.order_id).update(recipient_phone="", buyer_phone="")
    client = browser()
    assert "It is not delivered yet" in client.get(links.path_of(part)).content.decode()
    with pytest.raises(revealing.NotThere):
        revealing.reveal(part.pk, actor=steps.STAFF, reason="x")
    with pytest.raises(revealing.NotThere):
        confirming.confirm(part.pk, actor=steps.STAFF)
    with clock.skipping_waits():
        assert completing.run(10) == 0
