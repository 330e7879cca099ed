"""What staff do to a row by a form of its own: the same rules on every page."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone

import oms.urls  # noqa: F401 - it registers pages
from oms.common.desk.acting import RowActions
from payments.models import Statement
from payments.statements import closing
from tests.admin.conftest import client_of
from tests.admin.test_doors import kept
from tests.payments.test_settling import ANNA, BERT, by_hand, seller  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db

# Addresses of actions with one row's id; the last ones are no part of a table of actions.
ACTIONS = [
    *(
        (f"{page.opts.app_label}_{page.opts.model_name}_{action.name}", action.right)
        for page in admin.site._registry.values()
        if isinstance(page, RowActions)
        for action in page.row_actions
    ),
    ("common_connection_test", "common.switch_connection"),
    ("common_connection_switch", "common.switch_connection"),
    ("common_connection_resume", "common.switch_connection"),
    ("orders_rejectedorder_replay", "orders.replay_rejectedorder"),
    ("orders_rejectedorder_discard", "orders.replay_rejectedorder"),
    ("orders_rejectedorder_open", "orders.view_personal_data"),
    ("orders_returnrequest_inspect", "orders.inspect_return"),
    ("orders_returnrequest_grant", "payments.grant_refund"),
    ("orders_returnrequest_cannot_repair", "orders.work_return"),
    ("payments_billday_refresh", "payments.upload_bill"),
    ("orders_order_hold", "orders.hold_order"),
    ("orders_order_marks", "orders.mark_order"),
    ("orders_order_note", "orders.note_order"),
    ("orders_order_reveal", "orders.view_personal_data"),
    ("orders_order_contact", "orders.note_order"),
    ("orders_order_message", "orders.message_buyer"),
    ("orders_order_merge", "orders.merge_suborder"),
    ("orders_order_unmerge", "orders.merge_suborder"),
    ("orders_order_reissue", "orders.reissue_order"),
]


@pytest.mark.parametrize(("name", "right"), ACTIONS)
def test_an_action_is_only_posted_and_needs_its_right_and_a_session(boss, name, right):
    address = reverse(f"admin:{name}", args=[1])
    view = f"view_{name.split('_')[1]}"

    assert boss.get(address).status_code == 405
    assert client_of(view).post(address).status_code == 403
    assert client_of(right.partition(".")[2]).post(address).status_code == 403
    unknown = boss.post(address, {"reason": "x", "version": 1})
    assert unknown.status_code in (302, 404)
    stranger = Client(headers={"accept-language": "en"}).post(address, {"reason": "typed at length"})
    assert stranger.status_code == 403
    assert "Log in again; what you typed is kept." in stranger.content.decode()


@pytest.fixture
def statement(seller) -> Statement:  # noqa: F811 - the fixture
    """One that is approved, of 12.50."""
    by_hand(seller, "12.50")
    today = timezone.localdate()
    with time_machine.travel(timezone.now() + timedelta(days=1)):
        made = closing.close(seller.pk, closing.Span(today, today + timedelta(days=1)), actor=ANNA)
        closing.approve(made.pk, actor=BERT)
    return made


def test_a_statement_is_paid_by_its_form_which_keeps_what_was_refused(statement):
    finance = client_of("view_statement", "pay_statement")
    page = reverse("admin:payments_statement_change", args=[statement.pk])
    action = reverse("admin:payments_statement_paid", args=[statement.pk])
    assert f'action="{action}"' in finance.get(page).content.decode()

    refused = finance.post(action, {"bank_serial": "7" * 65}, follow=True)
    assert "Bank serial: Ensure this value has at most 64 characters (it has 65)." in refused.content.decode()
    assert kept(refused)["fields"] == {"bank_serial": ["7" * 65]}
    assert Statement.objects.get().state == "approved"

    finance.post(action, {"bank_serial": "B-1"})
    paid = Statement.objects.get()
    assert (paid.state, paid.bank_serial) == ("paid", "B-1")
    assert action not in finance.get(page).content.decode()
