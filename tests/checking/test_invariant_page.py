"""What does not hold becomes a ticket and stands on its page; a safe repair mends it, with right, reason and log."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

import oms.urls  # noqa: F401 - brings the page
from oms.checking import known, repairs, running
from oms.common.errors import OmsError
from oms.common.models import InvariantCheck, InvariantRepair, Job, Ticket
from oms.common.work import jobs
from orders.models import Order
from tests import factories
from tests.admin.conftest import client_of

pytestmark = pytest.mark.django_db
HOLDS = known.BY_NAME["open_holds_are_counted"]


def broken_holds(shop: factories.Shop) -> Order:
    """An order that counts holds which it has not."""
    order = shop.place_order()
    Order.objects.filter(pk=order.pk).update(open_holds=2)
    return order


def rows_of(name: str) -> int:
    """How many rows break it now."""
    found = running.find(known.BY_NAME[name])
    return found.count if found else 0


def test_every_invariant_has_words_in_chinese() -> None:
    english = [sentence for sentence in (one.sentence for one in known.BY_NAME.values()) if not sentence.isascii()]
    assert english == []
    with translation.override("zh-hans"):
        untold = [name for name in known.BY_NAME if running.sentence(name).isascii()]
    assert untold == []


def test_what_does_not_hold_opens_a_ticket_and_what_holds_again_closes_it(shop: factories.Shop) -> None:
    order = broken_holds(shop)
    row = running.check(HOLDS)
    assert (row.broken_rows, row.examples) == (1, [f"{order.number} 2"])
    since = row.broken_since
    ticket = Ticket.objects.get(kind="invariant_violation")
    assert (ticket.subject_id, ticket.state, ticket.values) == (row.pk, "open", {"rows": 1})

    again = running.check(HOLDS)
    assert (again.broken_since, Ticket.objects.get().times) == (since, 2)

    Order.objects.update(open_holds=0)
    held = running.check(HOLDS)
    assert (held.broken_rows, held.broken_since, held.examples) == (0, None, [])
    assert Ticket.objects.get().state == "closed"


def test_what_takes_too_long_is_told_and_changes_nothing_of_what_is_known(
    shop: factories.Shop, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_holds(shop)
    known_before = running.check(HOLDS)
    settings.INVARIANT_TIMEOUT_SECONDS = 0.05
    slow = known.Invariant(HOLDS.name, HOLDS.sentence, "SELECT 'x', pg_sleep(5)::text")
    row = running.check(slow)
    assert (row.timed_out, row.broken_rows, row.broken_since) == (True, 1, known_before.broken_since)
    assert Ticket.objects.get(kind="invariant_violation").reason == "timed_out"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.1)")  # the limit was that look's alone


def test_by_night_each_is_looked_at_once_the_longest_ago_first(settings: Any) -> None:
    zone = ZoneInfo(settings.TIME_ZONE)
    settings.INVARIANT_HOURS = (2, 6)
    assert running.check_by_night(now=datetime(2026, 11, 27, 12, tzinfo=zone)) == 0
    night = timezone.localtime().replace(hour=3)
    settings.INVARIANT_HOURS = (night.hour, night.hour + 1)
    settings.INVARIANT_SLICE_SECONDS = 0
    assert running.check_by_night(now=night) == 0
    old = InvariantCheck.objects.create(name=HOLDS.name, checked_at=night - timedelta(days=1))
    assert [one.name for one in running.waiting_since(night)][-1] == HOLDS.name
    settings.INVARIANT_SLICE_SECONDS = 600
    assert running.check_by_night(now=night) == len(known.BY_NAME)
    old.refresh_from_db()
    assert old.checked_at > night - timedelta(days=1)
    InvariantCheck.objects.update(checked_at=night + timedelta(minutes=1))
    assert running.check_by_night(now=night) == 0


def test_a_job_checks_all_of_them_in_steps(boss: Client) -> None:
    answer = boss.post(reverse("admin:common_invariantcheck_run"))
    job = Job.objects.get()
    assert answer["Location"] == reverse("admin:common_job_change", args=[job.pk])
    factories.run(jobs.run)
    job.refresh_from_db()
    assert (job.state, job.total, job.done, job.failed) == ("succeeded", len(known.BY_NAME), len(known.BY_NAME), 0)
    assert InvariantCheck.objects.count() == len(known.BY_NAME)
    page = boss.get(answer["Location"], headers={"accept-language": "en"}).content.decode()
    assert "Failed: <span data-job-failed>0<" in page
    assert "Not imported" not in page


def test_a_repair_counts_anew_and_is_kept(shop: factories.Shop) -> None:
    order = broken_holds(shop)
    row = running.check(HOLDS)
    done = repairs.mend(row.pk, by="li", reason="after the crash")
    assert Order.objects.get(pk=order.pk).open_holds == 0
    assert (done.rows_before, done.rows_changed, done.rows_after, done.by) == (1, 1, 0, "li")
    assert Ticket.objects.get(kind="invariant_violation").state == "closed"
    with pytest.raises(repairs.NothingToMend):
        repairs.mend(row.pk, by="li", reason="again")
    assert InvariantRepair.objects.count() == 1
    with pytest.raises(IntegrityError), transaction.atomic():
        InvariantRepair.objects.all().delete()


def test_what_is_not_known_to_be_safe_is_not_mended(shop: factories.Shop) -> None:
    order = shop.place_order()
    row = running.check(known.BY_NAME["lines_add_up_to_order"])
    with pytest.raises(repairs.NothingToMend):
        repairs.mend(row.pk, by="li", reason="x")
    assert Order.objects.get(pk=order.pk).version == order.version


def test_a_repair_that_would_make_it_worse_changes_nothing(
    shop: factories.Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_holds(shop)
    shop.place_order()
    row = running.check(HOLDS)

    def worse(_rows: object) -> int:
        return Order.objects.update(open_holds=5)

    monkeypatch.setitem(repairs.REPAIRS, HOLDS.name, repairs.Repair("x", worse))
    with pytest.raises(OmsError, match=r"More rows|会更多"):
        repairs.mend(row.pk, by="li", reason="x")
    assert sorted(Order.objects.values_list("open_holds", flat=True)) == [0, 2]
    assert not InvariantRepair.objects.exists()


def test_books_that_are_not_right_are_given_back_to_their_stage(shop: factories.Shop) -> None:
    order = shop.place_order()
    Order.objects.filter(pk=order.pk).update(payment_state="paid", owed_changed_since=None)
    assert rows_of("paid_is_the_sum_of_payments") == 1
    row = running.check(known.BY_NAME["paid_is_the_sum_of_payments"])
    repairs.mend(row.pk, by="li", reason="x")
    assert rows_of("paid_is_the_sum_of_payments") == 0
    assert Order.objects.get(pk=order.pk).payment_state == order.payment_state


def test_guards_that_are_gone_are_put_back() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER orders_order_guard ON orders_order")
    row = running.check(known.GUARDS)
    assert (row.broken_rows, row.examples) == (1, ["orders_order"])
    assert repairs.mend(row.pk, by="li", reason="x").rows_after == 0


def test_every_repair_is_of_an_invariant_that_there_is() -> None:
    assert repairs.REPAIRS.keys() <= known.BY_NAME.keys()


def test_the_page_names_the_rows_and_mends_by_right_with_a_reason(shop: factories.Shop, boss: Client) -> None:
    order = broken_holds(shop)
    row = running.check(HOLDS)
    page = boss.get(reverse("admin:common_invariantcheck_change", args=[row.pk])).content.decode()
    assert order.number in page
    assert "Counts the open holds" in page
    mend = reverse("admin:common_invariantcheck_mend", args=[row.pk])
    reader = client_of("view_invariantcheck")
    assert reader.get(reverse("admin:common_invariantcheck_changelist")).status_code == 200
    assert reader.post(mend, {"reason": "x"}).status_code == 403
    assert reader.post(reverse("admin:common_invariantcheck_run")).status_code == 403
    assert client_of("run_invariantcheck").post(reverse("admin:common_invariantcheck_run")).status_code == 403
    boss.post(mend, {"reason": ""})
    assert not InvariantRepair.objects.exists()
    boss.post(mend, {"reason": "after the crash"})
    assert Order.objects.get(pk=order.pk).open_holds == 0
    assert "after the crash" in boss.get(reverse("admin:common_invariantcheck_change", args=[row.pk])).content.decode()
