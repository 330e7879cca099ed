"""Review rules are drafted, rehearsed, switched on and gone back to as versions; what was on is never changed."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, connections, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.translation import override

from oms.common.errors import OmsError
from oms.common.models import Job
from oms.common.rule_sets import RulesAreWrong
from oms.common.work import jobs
from oms.merchants.models import Channel
from orders.models import Hold, Order, ReviewDecision, ReviewRule, ReviewRuleSet
from orders.reviewing import deciding, rehearsing, shipped
from orders.reviewing.holds import release_hold
from orders.reviewing.versions import VERSIONS
from tests import factories, steps
from tests.admin.conftest import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_english() -> Iterator[None]:
    with override("en"):
        yield


def over(amount: str, **fields: Any) -> ReviewRule:
    return factories.review_rule("over", "amount_over", values={"amount": amount}, **fields)


def draft_over(amount: str) -> ReviewRuleSet:
    """A draft of the version that is on, in which the limit of the rule is another one."""
    draft = VERSIONS.draft_from(ReviewRuleSet.objects.get(state="active").pk, by="li")
    draft.rules.update(condition={"is": "amount_over", "amount": amount})
    return draft


def cod(shop: factories.Shop, **changes: Any) -> Any:
    return shop.place_order(payment_method="cod", **changes)


def test_a_draft_decides_nothing_until_it_is_on_and_the_former_can_be_gone_back_to(shop):
    former = over("1000.00").rule_set
    draft = draft_over("10.00")
    first = cod(shop)
    factories.run(deciding.run)
    assert steps.fresh(first).open_holds == 0

    active = VERSIONS.activate(draft.pk, by="wang")
    second = cod(shop)
    factories.run(deciding.run)
    assert (steps.fresh(second).open_holds, active.activated_by, active.former) == (1, "wang", former)
    former = ReviewRuleSet.objects.get(pk=former.pk)
    assert (former.state, former.replaced_by) == ("replaced", "wang")

    again = VERSIONS.go_back_to(former.pk, by="zhao")
    third = cod(shop)
    factories.run(deciding.run)
    assert (steps.fresh(third).open_holds, again.activated_by, again.former) == (0, "zhao", former)

    VERSIONS.switch_off(again.pk, by="zhao")
    with pytest.raises(OmsError, match="switched on already"):
        VERSIONS.activate(active.pk, by="li")
    with pytest.raises(OmsError):
        VERSIONS.switch_off(again.pk, by="li")
    assert steps.broken_invariants() == []


def test_what_a_person_released_stays_released_under_the_next_version_unless_the_figures_are_others(shop):
    Channel.objects.update(review_delay_seconds=0, grace_seconds=300)
    over("10.00")
    order = cod(shop)
    _review_again(order)
    release_hold(Hold.objects.get().pk, note="seen", actor=steps.STAFF)

    VERSIONS.activate(VERSIONS.draft_from(ReviewRuleSet.objects.get().pk, by="li").pk, by="li")
    _review_again(order)
    assert (steps.fresh(order).open_holds, Hold.objects.count()) == (0, 1)

    stricter = VERSIONS.activate(draft_over("5.00").pk, by="li")
    _review_again(order)
    hold = Hold.objects.get()
    assert (steps.fresh(order).open_holds, hold.reason, hold.rule.rule_set) == (1, "26.00 > 5.00", stricter)
    assert steps.broken_invariants() == []


def _review_again(order: Any) -> None:
    """As where something of the order changed within its grace period."""
    assert Order.objects.filter(pk=order.pk, state="in_review").update(reviewed_at=None, ready_at=steps.NOON) == 1
    deciding.run(10)


def test_rules_that_were_on_are_never_changed(shop):
    rule = over("10.00")
    changes = (
        lambda: ReviewRule.objects.update(priority=2),
        lambda: ReviewRule.objects.all().delete(),
        lambda: ReviewRule.objects.create(rule_set=rule.rule_set, name="x"),
    )
    for change in changes:
        with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
            change()


def test_a_draft_that_names_what_is_gone_is_not_switched_on_and_says_which_rule(shop, boss):
    draft = ReviewRuleSet.objects.create()
    ReviewRule.objects.create(rule_set=draft, name="a", condition={"is": "has_sku", "skus": ["GONE"]})
    ReviewRule.objects.create(rule_set=draft, name="b", condition={"is": "has_remark"}, channels=["x/y"])
    ReviewRule.objects.create(rule_set=draft, name="c", condition={})
    with pytest.raises(RulesAreWrong) as refusal:
        VERSIONS.activate(draft.pk, by="li")
    assert [problem.rule.name for problem in refusal.value.problems] == ["a", "b", "c"]
    assert "there is no GONE (any more): correct it or take it out." in str(refusal.value)
    page = boss.post(reverse("admin:orders_reviewruleset_rehearse", args=[draft.pk]), {"orders": 10}, follow=True)
    assert "b: Channels: there is no x/y" in page.content.decode()
    assert (ReviewRuleSet.objects.get().state, Job.objects.count()) == ("draft", 0)


def test_a_draft_is_rehearsed_beside_the_rules_in_force(shop, boss):
    over("1000.00")
    orders = [cod(shop) for _ in range(2)]
    cheap = shop.place_order((shop.sku, 1, "1.00"), payment_method="cod")
    draft = draft_over("10.00")
    ReviewRule.objects.create(rule_set=draft, name="off", condition={"is": "has_remark"}, is_active=False)

    result = rehearsing.rehearse_version(draft, rehearsing.last_orders(10))
    assert (dict(result.before), dict(result.after)) == ({"pass": 3}, {"pass": 1, "hold": 2})
    assert {one.order_id: (one.before, one.after) for one in result.found} == {one.pk: ("", "hold") for one in orders}
    assert cheap.pk not in {one.order_id for one in result.found}

    asked = boss.post(reverse("admin:orders_reviewruleset_rehearse", args=[draft.pk]), {"orders": 10})
    factories.run(jobs.run)
    page = boss.get(asked.url).content.decode()
    assert "By the rehearsed rules" in page
    assert page.count(orders[0].number) == 1
    assert not ReviewDecision.objects.exists()


def test_an_unchanged_draft_changes_nothing_and_is_looked_for_once(shop, django_assert_num_queries):
    shipped.install_default_rules()
    orders = [cod(shop, remark="x").pk for _ in range(3)]
    draft = VERSIONS.draft_from(ReviewRuleSet.objects.get().pk, by="li")
    with django_assert_num_queries(3):
        result = rehearsing.rehearse_version(draft, orders)
    assert result.found == []
    assert result.before == result.after


def test_the_pages_show_what_a_draft_changes_and_who_did_what_when(shop, boss):
    rule = over("1000.00")
    version = rule.rule_set
    address = reverse("admin:orders_reviewruleset_change", args=[version.pk])
    page = boss.get(address).content.decode()
    assert "never changed" in page
    assert "Add a rule" not in page
    locked = reverse("admin:orders_reviewrule_change", args=[rule.pk])
    assert 'name="condition"' not in boss.get(locked).content.decode()
    assert boss.post(locked, {"name": "x"}).status_code == 403

    copied = boss.post(reverse("admin:orders_reviewruleset_copy", args=[version.pk]))
    draft = ReviewRuleSet.objects.get(state="draft")
    assert copied.url == reverse("admin:orders_reviewruleset_change", args=[draft.pk])
    own = draft.rules.get()
    form = {"rule_set": draft.pk, "name": "over", "priority": 10, "outcome": "hold", "is_active": "on"}
    page = boss.get(reverse("admin:orders_reviewrule_change", args=[own.pk])).content.decode()
    assert 'name="rule_set"' not in page
    shown = {name: value for name, value in form.items() if name != "rule_set"} | {"seen_version": own.version}
    saved = boss.post(
        reverse("admin:orders_reviewrule_change", args=[own.pk]),
        shown | {"condition": '{"is": "amount_over", "amount": "20.00"}'},
    )
    assert saved.url == copied.url
    add = reverse("admin:orders_reviewrule_add") + f"?rule_set={draft.pk}"
    boss.post(add, form | {"name": "new one", "condition": '{"is": "has_remark"}'})
    page = boss.get(copied.url).content.decode()
    assert ">changed<" in page
    assert ">new<" in page

    ReviewRule.objects.filter(pk=own.pk).delete()
    assert "not in this version" in boss.get(copied.url).content.decode()
    boss.post(reverse("admin:orders_reviewruleset_activate", args=[draft.pk]))
    draft, boss_name = ReviewRuleSet.objects.get(pk=draft.pk), User.objects.get().username
    assert (draft.state, draft.created_by, draft.activated_by) == ("active", boss_name, boss_name)
    listed = boss.get(reverse("admin:orders_reviewruleset_changelist")).content.decode()
    assert f"Version {version.pk}" in listed


def test_of_two_who_change_a_rule_the_second_sees_what_it_says_now_and_keeps_what_he_typed(shop, boss):
    over("1000.00")
    boss.post(reverse("admin:orders_reviewruleset_copy", args=[ReviewRuleSet.objects.get().pk]))
    own = ReviewRuleSet.objects.get(state="draft").rules.get()
    path = reverse("admin:orders_reviewrule_change", args=[own.pk])
    form = {"name": "over", "outcome": "hold", "is_active": "on", "seen_version": own.version}
    boss.post(path, form | {"priority": 7, "condition": '{"is": "amount_over", "amount": "20.00"}'})
    mine = form | {"priority": 3, "condition": '{"is": "has_remark"}'}
    page = boss.post(path, mine).content.decode()
    assert "Priority is now: 7" in page
    assert "Condition is now: the amount payable is over 20.00 yuan" in page
    assert "Name is now" not in page
    assert "Give the rule a name" not in page
    assert 'value="3"' in page
    own = ReviewRule.objects.get(pk=own.pk)
    assert own.priority == 7
    # Saving again is a decision: the page has the version that he was told of.
    assert f'name="seen_version" value="{own.version}"' in page
    boss.post(path, mine | {"seen_version": own.version})
    assert ReviewRule.objects.get(pk=own.pk).priority == 3


def test_each_step_needs_its_right(shop):
    draft = ReviewRuleSet.objects.create()
    reader = client_of("view_reviewruleset", "view_reviewrule", "change_reviewruleset", "add_reviewrule")
    for action, right in (
        ("activate", "activate_reviewruleset"),
        ("copy", "add_reviewruleset"),
        ("rehearse", "rehearse_reviewrule"),
    ):
        address = reverse(f"admin:orders_reviewruleset_{action}", args=[draft.pk])
        assert reader.post(address, {"orders": 10}).status_code == 403
        client: Client = client_of("view_reviewruleset", "view_reviewrule", right)
        assert client.post(address, {"orders": 10}).status_code == 302
    assert ReviewRuleSet.objects.filter(state="active").count() == 1


def test_the_page_takes_as_many_statements_however_many_rules(shop, boss):
    shipped.install_default_rules()
    few = ReviewRuleSet.objects.create()
    ReviewRule.objects.create(rule_set=few, name="a", condition={"is": "has_remark"})
    many = VERSIONS.draft_from(ReviewRuleSet.objects.get(state="active").pk, by="li")
    pages = [reverse("admin:orders_reviewruleset_change", args=[one.pk]) for one in (few, many)]
    boss.get(pages[0])
    counts = [_statements(boss, page) for page in pages]
    assert counts[1] <= counts[0] + 1


def _statements(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as found:
        assert client.get(address).status_code == 200
    return len(found)


@pytest.mark.django_db(transaction=True)
def test_of_drafts_switched_on_at_once_one_is_active_in_the_end():
    drafts = [ReviewRuleSet.objects.create() for _ in range(4)]
    start = threading.Barrier(len(drafts))

    def switch(pk: int) -> None:
        try:
            start.wait()
            VERSIONS.activate(pk, by=str(pk))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=switch, args=[one.pk]) for one in drafts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    states = sorted(ReviewRuleSet.objects.values_list("state", flat=True))
    assert states == ["active", "replaced", "replaced", "replaced"]
