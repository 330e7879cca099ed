"""The pages of sourcing rules: drafting in words, what is wrong by row, switching on, rehearsing."""

import html
import re

import pytest
from django.urls import reverse

from inventory.models import SourcingRuleSet, SplitRule
from inventory.sourcing.versions import VERSIONS
from oms.common.models import Job, JobResult
from oms.common.work import jobs
from orders.admin import rehearsals
from orders.admin.sourcing_rules import SourcingRuleSetAdmin
from orders.models import SubOrder
from tests import factories, steps
from tests.admin.conftest import client_of

pytestmark = pytest.mark.django_db
LAST = {"on_partial": "allocate", "on_none": "backorder"}


@pytest.fixture
def boss(client):
    client.force_login(factories.UserFactory(is_superuser=True, username="boss"))
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    return client


def form_of(*rules, **changes):
    """What the page of a new draft posts."""
    data = {
        "name": "Far first",
        "merchant": "",
        "channel": "",
        "rules-TOTAL_FORMS": len(rules),
        "rules-INITIAL_FORMS": 0,
        "split_rules-TOTAL_FORMS": 0,
        "split_rules-INITIAL_FORMS": 0,
        **changes,
    }
    for i, rule in enumerate(rules):
        row = {"position": i + 1, "name": f"rule {i + 1}", "parcel_km": 0, "splits_lines": "on", **LAST, **rule}
        data |= {f"rules-{i}-{name}": value for name, value in row.items()}
    return data


def test_a_draft_is_made_in_words_checked_row_by_row_and_switched_on(boss, shop):
    add = reverse("admin:inventory_sourcingruleset_add")
    assert "Serves the buyer" in boss.get(add).content.decode()
    rule = {"needs": ["serves_region", "open_today"], "sort_0": "promise", "sort_1": "distance", "warehouses": "GONE"}

    page = boss.post(add, form_of(rule), follow=True).content.decode()

    draft = SourcingRuleSet.objects.get()
    stored = draft.rules.get()
    assert (draft.state, draft.created_by) == ("draft", "boss")
    assert (stored.needs, stored.sorts) == (["serves_region", "open_today"], ["promise", "distance"])
    assert "1. rule 1: There is no warehouse GONE." in page
    switch_on = reverse("admin:inventory_sourcingruleset_activate", args=[draft.pk])
    assert "There is no warehouse GONE" in boss.post(switch_on, follow=True).content.decode()
    assert steps.fresh(draft).state == "draft"

    stored.warehouses = [shop.warehouse.code]
    stored.save()
    boss.post(switch_on)
    draft = steps.fresh(draft)
    assert (draft.state, draft.activated_by) == ("active", "boss")
    page = boss.get(reverse("admin:inventory_sourcingruleset_change", args=[draft.pk])).content.decode()
    assert "The promise is kept → Fewest kilometres" in page
    assert "Serves the buyer&#x27;s province, Works today" in page


def test_a_version_that_was_on_is_copied_changed_and_gone_back_to(boss, shop):
    rules = factories.activate_rules({"warehouses": [shop.warehouse.code], **LAST})

    boss.post(reverse("admin:inventory_sourcingruleset_copy", args=[rules.pk]))
    draft = SourcingRuleSet.objects.get(state="draft")
    assert (draft.former, draft.rules.get().warehouses) == (rules, [shop.warehouse.code])
    boss.post(reverse("admin:inventory_sourcingruleset_activate", args=[draft.pk]))
    boss.post(reverse("admin:inventory_sourcingruleset_go_back", args=[rules.pk]))

    assert list(SourcingRuleSet.objects.order_by("id").values_list("state", flat=True)) == [
        "replaced",
        "replaced",
        "active",
    ]


def test_what_is_switched_on_while_its_draft_is_saved_stays_switched_on(boss, shop, monkeypatch):
    boss.post(reverse("admin:inventory_sourcingruleset_add"), form_of({}))
    draft = SourcingRuleSet.objects.get()
    read_form = SourcingRuleSetAdmin.save_form

    def switched_on_before_it_is_saved(*args, **kwargs):
        VERSIONS.activate(draft.pk, by="li")
        return read_form(*args, **kwargs)

    monkeypatch.setattr(SourcingRuleSetAdmin, "save_form", switched_on_before_it_is_saved)
    changed = form_of(name="Changed", seen_version=VERSIONS.written(draft.pk))
    answer = boss.post(reverse("admin:inventory_sourcingruleset_change", args=[draft.pk]), changed)

    # The test switches it on within the request, so that goes with it; nothing may be written over it.
    assert answer.status_code == 403
    assert steps.fresh(draft).name == "Far first"


def typed(page, **changes):
    """What the open page posts, with changes."""
    context = page.context
    formsets = [one.formset for one in context["inline_admin_formsets"]]
    forms = [context["adminform"].form, *(one for of in formsets for one in (of.management_form, *of.initial_forms))]
    data = {bound.html_name: bound.value() for form in forms for bound in form}
    data = {name: value for name, value in data.items() if value is not None and value is not False}
    return {
        name: ",".join(v) if name.endswith(("provinces", "warehouses")) and isinstance(v, list) else v
        for name, v in data.items()
    } | changes


def test_of_two_people_who_change_a_draft_the_second_is_told_what_the_first_changed(boss, shop):
    boss.post(reverse("admin:inventory_sourcingruleset_add"), form_of({}, {"name": "the rest"}))
    draft = SourcingRuleSet.objects.get()
    address = reverse("admin:inventory_sourcingruleset_change", args=[draft.pk])
    mine, theirs = boss.get(address), boss.get(address)
    assert boss.post(address, typed(theirs, **{"rules-0-parcel_km": 300})).status_code == 302

    answer = boss.post(address, typed(mine, name="Mine"))

    assert answer.status_code == 200
    (said,) = answer.context["adminform"].form.errors["name"]
    assert "Somebody else changed this draft meanwhile: 1. rule 1." in said
    assert (steps.fresh(draft).name, draft.rules.get(position=1).parcel_km) == ("Far first", 300)
    assert 'value="Mine"' in answer.content.decode(), "what was typed is kept"
    assert boss.post(address, typed(answer)).status_code == 302
    assert (steps.fresh(draft).name, draft.rules.get(position=1).parcel_km) == ("Mine", 0), "the second's decision"
    assert boss.post(address, typed(boss.get(address), name="Mine 2")).status_code == 302


def test_what_was_typed_into_a_draft_that_was_switched_on_meanwhile_is_a_draft_of_its_own(boss, shop):
    boss.post(reverse("admin:inventory_sourcingruleset_add"), form_of({"min_value": "100"}, {"name": "the rest"}))
    rules = SourcingRuleSet.objects.get()
    address = reverse("admin:inventory_sourcingruleset_change", args=[rules.pk])
    mine = typed(boss.get(address), **{"name": "Mine", "rules-0-parcel_km": 300})
    VERSIONS.activate(rules.pk, by="li")

    wrong = boss.post(address, mine | {"rules-0-parcel_km": -1})
    assert wrong.status_code == 200
    assert "Far first was switched on meanwhile, by li." in wrong.content.decode()
    assert 'value="Mine"' in wrong.content.decode(), "what was typed is kept"
    assert SourcingRuleSet.objects.count() == 1

    page = boss.post(address, mine, follow=True)
    draft = SourcingRuleSet.objects.get(state="draft")
    assert page.redirect_chain[-1][0] == reverse("admin:inventory_sourcingruleset_change", args=[draft.pk])
    assert "What you typed is a draft of its own" in page.content.decode()
    assert (draft.name, draft.former, draft.created_by) == ("Mine", rules, "boss")
    assert list(draft.rules.values_list("name", "parcel_km")) == [("rule 1", 300), ("the rest", 0)]
    rules = steps.fresh(rules)
    assert (rules.state, rules.name, rules.rules.count()) == ("active", "Far first", 2)
    assert rules.rules.get(position=1).parcel_km == 0


def test_who_may_make_no_draft_changes_no_version_that_is_on(shop):
    rules = factories.activate_rules(LAST)
    client = client_of("view_sourcingruleset", "change_sourcingruleset")
    answer = client.post(reverse("admin:inventory_sourcingruleset_change", args=[rules.pk]), form_of({}))
    assert (answer.status_code, SourcingRuleSet.objects.count()) == (403, 1)


def test_a_draft_that_somebody_changed_after_it_was_looked_at_is_not_switched_on(boss, shop):
    boss.post(reverse("admin:inventory_sourcingruleset_add"), form_of({}))
    draft = SourcingRuleSet.objects.get()
    page = boss.get(reverse("admin:inventory_sourcingruleset_change", args=[draft.pk])).content.decode()
    seen = html.unescape(re.search(r'name="seen_version" value="([^"]*)" id="activate-seen_version"', page)[1])
    SplitRule.objects.create(rule_set=draft, kind="alone", category="Produce")
    switch_on = reverse("admin:inventory_sourcingruleset_activate", args=[draft.pk])

    refused = boss.post(switch_on, {"seen_version": seen}, follow=True).content.decode()

    assert "Somebody changed this draft meanwhile" in refused
    assert "sourcingruleset-" not in refused.split('name="seen_version"')[0], (
        "what the form carries is not what was typed"
    )
    assert steps.fresh(draft).state == "draft"
    SplitRule.objects.all().delete()
    boss.post(switch_on, {"seen_version": seen})
    assert steps.fresh(draft).state == "active"


def test_who_may_only_look_switches_nothing(client, shop):
    rules = factories.activate_rules(LAST)
    client.force_login(factories.UserFactory())

    for action in ("activate", "switch_off", "copy", "rehearse"):
        address = reverse(f"admin:inventory_sourcingruleset_{action}", args=[rules.pk])
        assert client.post(address, {"orders": 10}).status_code == 403
    assert steps.fresh(rules).state == "active"


def test_a_rehearsal_tells_what_would_change_and_changes_nothing(boss, shop, monkeypatch):
    monkeypatch.setattr(rehearsals, "STEP", 2)
    far = factories.WarehouseFactory(merchant=shop.merchant, code="FAR", longitude=104.0)
    factories.StockFactory(sku=shop.sku, warehouse=far, on_hand=5)
    orders = [factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant) for _ in range(3)]
    factories.allocated_order((shop.other_sku, 1, "10.00"), merchant=shop.merchant)
    boss.post(reverse("admin:inventory_sourcingruleset_add"), form_of({"warehouses": "FAR"}, {}))
    draft = SourcingRuleSet.objects.get()
    draft.rules.filter(position=1).update(on_partial="go_on", on_none="next")

    answer = boss.post(reverse("admin:inventory_sourcingruleset_rehearse", args=[draft.pk]), {"orders": 100})
    factories.run(jobs.run)

    job = Job.objects.get()
    assert (job.state, job.total, job.done, job.progress["orders"]) == ("succeeded", 4, 4, 4)
    told = job.progress
    near_km, far_km = told["in_force"]["km"] // 4, (told["rehearsed"]["km"] - told["in_force"]["km"] // 4) // 3
    assert (told["in_force"]["parcels"], told["rehearsed"]["parcels"]) == (4, 4)
    assert far_km > 1000 > near_km
    moved = list(JobResult.objects.filter(job=job).values_list("key", "rows"))
    assert sorted(number for number, _senders in moved) == sorted(order.number for order in orders)
    assert [senders for _number, senders in moved] == [[shop.warehouse.code, "FAR"]] * told["moved"]
    page = boss.get(answer["Location"]).content.decode()
    assert all(reverse("admin:orders_order_change", args=[order.pk]) in page for order in orders)
    assert "3 orders would move" in page
    assert set(SubOrder.objects.values_list("warehouse", flat=True)) == {shop.warehouse.pk}
    assert shop.sku.stock.get(warehouse=far).reserved == 0
    file = b"".join(boss.get(reverse("admin:common_job_download", args=[job.pk])).streaming_content).decode()
    assert [order.number in file for order in orders] == [True] * 3


def test_rules_of_a_draft_change_places(boss, shop):
    boss.post(reverse("admin:inventory_sourcingruleset_add"), form_of({"name": "near"}, {"name": "far"}))
    draft = SourcingRuleSet.objects.get()
    stored = [{"id": rule.pk, "rule_set": draft.pk, "name": rule.name} for rule in draft.rules.order_by("position")]
    moved = [{**stored[0], "position": 2}, {**stored[1], "position": 1}]
    change = reverse("admin:inventory_sourcingruleset_change", args=[draft.pk])

    answer = boss.post(change, form_of(*moved, seen_version=VERSIONS.written(draft.pk), **{"rules-INITIAL_FORMS": 2}))

    assert answer.status_code == 302
    assert list(draft.rules.order_by("position").values_list("name", flat=True)) == ["far", "near"]


def test_what_is_wrong_with_a_rule_as_a_whole_is_said_on_the_page(boss, shop):
    rules = ({"min_value": "50", "max_value": "10"}, {"on_none": "cancel"}, {"min_part_value": "-1"})

    page = boss.post(reverse("admin:inventory_sourcingruleset_add"), form_of(*rules)).content.decode()

    assert "The largest value is not below the smallest." in page
    assert "Say after how many hours orders are cancelled, as this rule cancels." in page
    assert "The smallest value of a part is 0 or more." in page
    assert not SourcingRuleSet.objects.exists()
