"""The plot of the sample: its troubles, the checklist on the dashboard, and the jobs that tick it off."""

import html
import re

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import translation

from inventory.models import Stock
from logistics.carriers import choosing, dispatching
from logistics.floor import checking
from logistics.models import Shipment, Wave
from logistics.warehouses import events
from oms.common import ticketing
from oms.common.access import roles
from oms.common.models import StagedTrouble, Ticket
from oms.plot import of_floor, staging
from oms.plot.registry import TROUBLES
from oms.shipped_roles import SHIPPED
from orders.changing import merging
from orders.models import Hold, ReturnLine, ReturnRequest, SubOrder
from orders.models.return_request import Found
from orders.returning import deciding, inspecting
from orders.reviewing import holds
from tests import factories
from tests.factories import UserFactory
from tests.steps import STAFF, broken_invariants

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(client) -> object:
    user = UserFactory(is_superuser=True, is_staff=True)
    client.force_login(user)
    return user


def row(code: str) -> StagedTrouble:
    return StagedTrouble.objects.get(code=code)


def is_done(user: object, code: str) -> bool:
    return {one.code: one.is_done for one in staging.checklist(user)}[code]


def test_every_trouble_is_staged_by_what_really_brings_it_about(plot, boss, django_assert_num_queries):
    assert plot == list(TROUBLES)
    assert len(plot) >= 15
    assert broken_invariants() == []
    assert [one.code for one in staging.checklist(boss)] == plot
    assert not any(one.is_done for one in staging.checklist(boss))
    # Once more: nothing is staged twice.
    assert staging.stage() == plot
    assert StagedTrouble.objects.count() == len(plot)
    with django_assert_num_queries(2):
        staging.checklist(boss)


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_each_row_of_the_checklist_leads_to_a_page_on_which_one_works_on_it(plot, boss, client: Client, language):
    headers = {"accept-language": language}
    page = client.get(reverse("admin:index"), headers=headers).content.decode()
    shown = re.findall(r'data-trouble="(\w+)".*?<a href="([^"]+)">([^<]+)</a>', page)
    assert [code for code, _link, _words in shown] == plot
    with translation.override(language):
        said = {one.code: one.words for one in staging.checklist(boss)}
    assert {code: html.unescape(words) for code, _link, words in shown} == said
    with translation.override("en"):
        english = {one.code: one.words for one in staging.checklist(boss)}
    assert all((said[code] == english[code]) == (language == "en") for code in plot)
    for code, link, _words in shown:
        assert client.get(link, headers=headers).status_code == 200, code


def test_nobody_sees_rows_whose_pages_are_not_theirs(plot):
    assert staging.checklist(UserFactory(is_staff=True)) == []


def test_everybody_is_offered_what_they_may_do_and_every_trouble_has_a_role_for_it(plot):
    roles.install(SHIPPED)
    offered = {}
    for group in Group.objects.all():
        user = UserFactory(is_staff=True)
        user.groups.add(group)
        offered[group.name] = {one.code for one in staging.checklist(user)}
    assert {"stray", "to_inspect"} <= offered["warehouse"]
    assert offered["warehouse"].isdisjoint({"failed_refund", "cancellation", "contradiction"})
    assert {"stalled", "cancellation", "high_value"} <= offered["customer_service"]
    assert offered["customer_service"].isdisjoint({"merge", "to_inspect", "failed_refund", "bill"})
    assert offered["administrator"] == set(plot)
    del offered["administrator"]
    assert set.union(*offered.values()) == set(plot)


def test_a_released_hold_a_merge_a_decision_an_inspection_and_a_closed_ticket_are_ticked_off(plot, boss):
    hold = Hold.objects.get(order=row("high_value").subject_id, released_at=None)
    holds.release_hold(hold.pk, note="核实过", actor=STAFF)
    assert is_done(boss, "high_value")
    assert not is_done(boss, "deny_list")

    first = SubOrder.objects.get(order=row("merge").subject_id)
    waiting = SubOrder.objects.filter(order__buyer_phone=first.order.buyer_phone)
    merging.merge(list(waiting.values_list("pk", flat=True)), actor=STAFF)
    assert is_done(boss, "merge")

    deciding.decline(row("return_asked").subject_id, reason="没有照片", actor=STAFF)
    assert is_done(boss, "return_asked")

    back = ReturnRequest.objects.get(pk=row("to_inspect").subject_id)
    findings = {
        line.sub_order_line_id: {Found.GOOD: line.quantity} for line in ReturnLine.objects.filter(return_request=back)
    }
    inspecting.inspect(back.pk, findings, actor=STAFF)
    assert is_done(boss, "to_inspect")

    ticketing.close(row("lost").subject_id, result="done", user=boss, text="已理赔")
    assert is_done(boss, "lost")
    assert StagedTrouble.objects.exclude(done_at=None).count() == 5
    assert broken_invariants() == []


def test_what_is_ticked_off_stays_so_and_the_list_goes_with_the_last_one(plot, boss, client):
    ticket = Ticket.objects.get(pk=row("lost").subject_id)
    ticketing.close(ticket.pk, result="done", user=boss, text="已理赔")
    assert is_done(boss, "lost")
    ticketing.reopen(ticket.pk, user=boss)
    assert is_done(boss, "lost")

    StagedTrouble.objects.exclude(code__in=["lost", "contradiction"]).delete()
    ticketing.close(row("contradiction").subject_id, result="done", user=boss, text="已拦回")
    assert staging.checklist(boss) == []
    assert "data-trouble" not in client.get(reverse("admin:index")).content.decode()


def test_three_troubles_are_told_where_the_site_starts(plot):
    with translation.override("en"):
        told = staging.left_to_try(3)
    assert len(told) == 3
    assert all(words.isascii() and job.isascii() for words, job in told)


def test_the_wave_of_the_plot_can_be_printed_checked_and_handed_over_by_the_warehouse_role(plot, client):
    roles.install(SHIPPED)
    user = UserFactory(is_staff=True)
    user.groups.add(Group.objects.get(name="warehouse"))
    client.force_login(user)
    wave = Wave.objects.get(pk=row("floor").subject_id)
    board = client.get(reverse("admin:index")).content.decode()
    assert reverse("admin:logistics_wave_change", args=[wave.pk]) in board
    assert client.get(reverse("admin:logistics_picktask_changelist")).context["cl"].result_count == 4

    assert client.post(reverse("admin:logistics_wave_start", args=[wave.pk])).status_code == 302
    factories.run(events.run)
    for task in wave.tasks.select_related("warehouse_order").order_by("slot"):
        client.post(reverse("admin:logistics_floor_number"), {"number": task.warehouse_order.number})
        desk = reverse("admin:logistics_floor_check", args=[task.pk])
        for line in checking.wanted(task.pk):
            assert line.bin
            client.post(desk, {"step": "scan", "code": f"{line.quantity}*{line.code}"})
        weight = checking.expected_weight(checking.wanted(task.pk))
        assert client.post(desk, {"step": "finish", "weight_g": weight}).status_code == 200
    factories.run(events.run, choosing.run, dispatching.run)
    assert is_done(user, "floor")
    parcels = Shipment.objects.filter(warehouse_order__pick_task__wave=wave)
    numbers = list(parcels.values_list("waybill_number", flat=True))
    assert len(numbers) == 4
    assert all(numbers)
    handed = client.post(reverse("admin:logistics_floor_hand_over"), {"numbers": "\n".join(numbers)})
    assert handed.context["done"] == 4
    factories.run(events.run)
    assert set(parcels.values_list("warehouse_order__state", flat=True)) == {"shipped"}
    assert broken_invariants() == []


def test_nothing_is_left_in_the_floors_warehouse_for_other_orders(plot):
    left = Stock.objects.filter(warehouse__code=of_floor.CODE)
    assert left.count() == 3
    assert all(one.on_hand == one.reserved > 0 for one in left)
