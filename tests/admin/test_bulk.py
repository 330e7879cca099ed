"""Many orders at once: a look at what would come of it, a job, a result for each, and taking it back."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.test import Client
from django.utils import timezone

from oms.common.errors import OmsError
from oms.common.models import Job, JobResult, JobState
from oms.common.work import clock, jobs
from orders.admin import bulk as pages
from orders.admin import undoing as undo_pages
from orders.changing import bulk, cancelling, undoing
from orders.models import Order, OrderState, UndoableAction
from orders.reviewing import holds
from tests import factories, steps
from tests.admin.conftest import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]
LIST = "/admin/orders/order/"


@pytest.fixture(autouse=True)
def _few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MORE_THAN", 2)
    monkeypatch.setattr(bulk, "_AT_ONCE", 2)
    monkeypatch.setattr(bulk, "_LOOKED_AT", 2)


@pytest.fixture
def orders(shop: factories.Shop) -> list[Order]:
    """Five orders, of which the last is cancelled already."""
    found = [shop.place_order() for _ in range(5)]
    cancelling.cancel_order(found[4].pk, reason="x", actor=steps.STAFF)
    return found


def ticked(orders: list[Order], **more: str) -> dict[str, Any]:
    """The list's form with these orders ticked."""
    return {"action": "cancel_selected", "_selected_action": [order.pk for order in orders], **more}


def prepared(client: Client, form: dict[str, Any], query: str = "") -> Job:
    """The draft that the list's form leads to."""
    answer = client.post(LIST + query, form)
    job = Job.objects.latest("pk")
    assert answer["Location"] == f"{LIST}bulk/{job.pk}/"
    return job


def run() -> None:
    """Work on jobs until none waits."""
    factories.run(jobs.run)


def outcomes(job: Job) -> list[tuple[str, str]]:
    """What came of each order."""
    return list(JobResult.objects.filter(job=job).order_by("position").values_list("key", "outcome"))


def test_first_it_says_what_can_and_what_cannot_and_nothing_is_done(orders: list[Order], boss: Client) -> None:
    job = prepared(boss, ticked(orders))

    shown = boss.get(f"{LIST}bulk/{job.pk}/").context
    assert (shown["count"], shown["can"], shown["cannot_count"]) == (5, 4, 1)
    ((key, number, why),) = shown["cannot"]
    assert (key, number, why) == (orders[4].pk, orders[4].number, "The order is over: Cancelled.")
    run()
    assert Job.objects.get(pk=job.pk).state == JobState.DRAFT
    assert not UndoableAction.objects.exists()


def test_each_order_has_its_result_and_what_refused_is_still_ticked(orders: list[Order], boss: Client) -> None:
    job = prepared(boss, ticked(orders))
    # One changes between the look and the job.
    holds.hold_order(orders[1].pk, reason="meanwhile", actor=steps.STAFF)
    boss.post(f"{LIST}bulk/{job.pk}/", {"reason": "the shop closes"})

    run()

    done = Job.objects.get(pk=job.pk)
    assert (done.state, done.done, done.failed) == (JobState.SUCCEEDED, 5, 2)
    assert outcomes(job) == [
        (order.number, "refused" if order in (orders[1], orders[4]) else "done") for order in orders
    ]
    page = boss.get(f"{LIST}bulk/{job.pk}/")
    assert {item["order_id"] for item in page.context["refused"]} == {orders[1].pk, orders[4].pk}
    assert f'name="_selected_action" value="{orders[1].pk}" checked' in page.content.decode()
    text = boss.get(f"{LIST}bulk/{job.pk}/file/").content.decode("utf-8-sig")
    assert text.splitlines()[1] == f"{orders[0].number},Done,"
    assert "changed meanwhile" in text

    factories.run(undoing.run)
    states = dict(Order.objects.values_list("pk", "state"))
    assert [states[order.pk] == OrderState.CANCELLED for order in orders] == [True, False, True, True, True]


def test_all_of_it_is_taken_back_by_one_click(
    orders: list[Order], boss: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.UNDO_SECONDS = {**settings.UNDO_SECONDS, "bulk": 30}
    job = prepared(boss, ticked(orders[:4]))
    boss.post(f"{LIST}bulk/{job.pk}/", {"reason": "a mistake"})
    run()
    undo = boss.get(f"{LIST}bulk/{job.pk}/").context["undo"]
    assert undo["count"] == 4

    monkeypatch.setattr(undo_pages, "MOST_NAMED", 2)
    told = boss.post(f"{LIST}undo/{undo['batch']}/", follow=True).context["messages"]

    numbers = sorted(orders[:4], key=lambda order: order.pk)
    named = f"{numbers[0].number}, {numbers[1].number}, …"
    assert [str(one) for one in told] == [f"It was taken back: 4 orders are as they were ({named})."]
    assert set(UndoableAction.objects.values_list("state", flat=True)) == {"taken_back"}
    assert not Order.objects.filter(pk__in=[order.pk for order in orders[:4]], open_holds__gt=0).exists()
    assert boss.get(f"{LIST}bulk/{job.pk}/").context["undo"] is None


def test_however_slow_it_is_all_can_be_taken_back_until_after_the_last(
    orders: list[Order], boss: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.UNDO_SECONDS = {**settings.UNDO_SECONDS, "bulk": 30}
    at_once = undoing.cancel_later

    def slowly(*args: Any, **options: Any) -> None:
        # As if each order took 20 seconds.
        UndoableAction.objects.update(not_before=F("not_before") - timedelta(seconds=20))
        at_once(*args, **options)

    monkeypatch.setattr(undoing, "cancel_later", slowly)
    job = prepared(boss, ticked(orders[:4]))
    boss.post(f"{LIST}bulk/{job.pk}/", {"reason": "a mistake"})
    run()
    assert all(row.not_before > timezone.now() + timedelta(seconds=20) for row in UndoableAction.objects.all())
    assert boss.get(f"{LIST}bulk/{job.pk}/").context["undo"]["count"] == 4


def test_while_it_runs_it_can_be_stopped_and_what_is_done_of_it_taken_back(
    orders: list[Order], boss: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.UNDO_SECONDS = {**settings.UNDO_SECONDS, "bulk": 30}
    monkeypatch.setattr(jobs.Turn, "is_over", lambda turn: turn.job.done >= 2)
    job = prepared(boss, ticked(orders[:4]))
    boss.post(f"{LIST}bulk/{job.pk}/", {"reason": "a mistake"})
    with clock.skipping_waits():
        jobs.run(1)
    page = boss.get(f"{LIST}bulk/{job.pk}/").content.decode()
    assert 'name="stop"' in page

    boss.post(f"{LIST}bulk/{job.pk}/", {"stop": "1"})

    stopped = Job.objects.get(pk=job.pk)
    assert (stopped.state, stopped.done) == (JobState.CANCELLED, 2)
    page = boss.get(f"{LIST}bulk/{job.pk}/")
    assert 'name="stop"' not in page.content.decode()
    assert page.context["undo"]["count"] == 2
    assert client_of("view_order", "cancel_order").post(f"{LIST}bulk/{job.pk}/", {"stop": "1"}).status_code == 404


def test_all_that_match_the_filters_are_meant_and_nothing_else(
    shop: factories.Shop, orders: list[Order], boss: Client
) -> None:
    form = ticked(orders[:1], all_matching="1")
    job = prepared(boss, form, f"?state__exact={orders[0].state}")
    assert [key for key, _version in job.params["orders"]] == [order.pk for order in orders[:4]]


def test_a_draft_is_started_once_with_a_reason(orders: list[Order], boss: Client) -> None:
    job = prepared(boss, ticked(orders[:3]))
    assert boss.post(f"{LIST}bulk/{job.pk}/", {"reason": " "}).context["form"].errors
    with pytest.raises(OmsError):
        bulk.start(job.pk, reason="")
    assert bulk.start(job.pk, reason="once")
    assert not bulk.start(job.pk, reason="twice")
    run()
    assert Job.objects.get(pk=job.pk).params["reason"] == "once"


def test_holding_and_releasing_many(orders: list[Order], boss: Client) -> None:
    job = prepared(boss, ticked(orders[:3]) | {"action": "hold_selected"})
    boss.post(f"{LIST}bulk/{job.pk}/", {"reason": "stock-taking"})
    run()
    assert Order.objects.filter(open_holds=1).count() == 3
    job = prepared(boss, ticked(orders[:4]) | {"action": "release_selected"})
    assert [number for _key, number, _why in job.params["cannot"]] == [orders[3].number]
    boss.post(f"{LIST}bulk/{job.pk}/", {"reason": "done"})
    run()
    factories.run(undoing.run)
    assert not Order.objects.filter(open_holds__gt=0).exists()


def test_only_who_asked_sees_it_and_a_right_that_was_lost_ends_it(orders: list[Order], boss: Client) -> None:
    clerk = client_of("view_order", "cancel_order", username="clerk")
    job = prepared(clerk, ticked(orders[:3]))
    assert boss.get(f"{LIST}bulk/{job.pk}/").status_code == 404
    assert client_of("view_order").get(f"{LIST}bulk/{job.pk}/").status_code == 404
    clerk.post(f"{LIST}bulk/{job.pk}/", {"reason": "x"})
    job.owner.user_permissions.clear()
    run()
    assert (Job.objects.get(pk=job.pk).state, outcomes(job)) == (JobState.FAILED, [])
    assert clerk.get(f"{LIST}bulk/{job.pk}/").status_code == 403


def test_too_many_are_refused(orders: list[Order], boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MOST_ORDERS", 4)
    answer = boss.post(LIST, ticked(orders), follow=True)
    assert "At most 4 orders at once" in answer.content.decode()
    assert not Job.objects.exists()
