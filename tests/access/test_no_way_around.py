"""No role reaches by address or by POST what its rights do not show: every address of the staff's site, every role."""

import logging
import re
from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse

from oms.common.access import roles
from oms.common.desk.job_pages import ExportMixin
from oms.common.models import Role
from oms.shipped_roles import SHIPPED
from oms.unfold_settings import UNFOLD
from tests.admin.test_acting import ACTIONS
from tests.admin.test_pages import world  # noqa: F401 - a row of every kind
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

# For all staff: log-in, what searches only what one may see, the jobs that one has started oneself, what one keeps for
# a list that one may see (tests/admin/test_list_tools.py).
FOR_ALL_STAFF = re.compile(
    r"index|login|logout|password_change(_done)?|autocomplete|jsi18n|view_on_site|app_list|search|second_factor"
    r"|common_job_.*|list_(views|view_gone|view_change|columns)"
)
# The right that an address asks for, where it is not that of a list, of an export or of a RowAction.
RIGHTS = {
    **dict(ACTIONS),
    "auth_user_remove_factor": "auth.change_user",
    "auth_user_password_change": "auth.change_user",
    "auth_group_matrix": "auth.view_group",
    "common_outboundstop_stop": "common.switch_outbound",
    "common_outboundstop_resume": "common.switch_outbound",
    "common_invariantcheck_run": "common.run_invariantcheck",
    "common_ticket_take": "common.work_ticket",
    "common_ticket_give_back": "common.work_ticket",
    "common_ticket_assign": "common.assign_ticket",
    "common_ticket_snooze": "common.work_ticket",
    "common_ticket_note": "common.work_ticket",
    "common_ticket_close": "common.work_ticket",
    "common_ticket_reopen": "common.work_ticket",
    "common_ticket_hand_over": "common.work_ticket",
    "common_ticket_next": "common.work_ticket",
    "common_ticket_pane": "common.view_ticket",
    "common_ticket_changes": "common.view_ticket",
    "common_ticket_retry": "common.view_ticket",  # beside that, what the ticket's row says
    "merchants_merchantapplication_document": "merchants.view_merchantapplication",
    "merchants_apicredential_add_secret": "merchants.change_apicredential",
    "merchants_apicredential_retire_secret": "merchants.change_apicredential",
    "merchants_apicredential_revoke": "merchants.change_apicredential",
    "hours": "orders.view_suborder",
    "profit": "payments.view_profit",
    "profit_orders": "payments.view_profit",
    "inventory_capacity_today": "inventory.view_capacitybucket",
    "inventory_coverage": "inventory.view_capacitybucket",
    "inventory_placement": "inventory.view_replenishmentpolicy",
    "inventory_replenishmentpolicy_rows": "inventory.view_replenishmentpolicy",
    "inventory_replenishment_service": "inventory.view_replenishmentsuggestion",
    "inventory_stock_import": "inventory.import_stock",
    "inventory_stock_import_mapping": "inventory.import_stock",
    "inventory_stock_import_faults": "inventory.import_stock",
    "inventory_stock_import_template": "inventory.import_stock",
    "inventory_sku_import": "inventory.change_sku",
    "inventory_sku_import_mapping": "inventory.change_sku",
    "inventory_sku_import_faults": "inventory.change_sku",
    "inventory_sku_import_template": "inventory.change_sku",
    "inventory_sourcing_rehearsal": "inventory.view_sourcingruleset",
    "orders_skumatch_import": "orders.match_skus",
    "orders_skumatch_import_mapping": "orders.match_skus",
    "orders_skumatch_import_faults": "orders.match_skus",
    "orders_skumatch_import_template": "orders.match_skus",
    "orders_skumatch_changelist": "orders.match_skus|orders.view_skumatch",
    "orders_skumatch_history": "orders.match_skus|orders.view_skumatch",
    "orders_skumatch_change": "orders.match_skus|orders.view_skumatch",
    "orders_skumatch_add": "orders.match_skus",
    "orders_skumatch_delete": "orders.match_skus",
    "orders_unmatchedcode_changelist": "orders.match_skus|orders.view_unmatchedcode",
    "orders_unmatchedcode_history": "orders.match_skus|orders.view_unmatchedcode",
    "orders_unmatchedcode_change": "orders.match_skus|orders.view_unmatchedcode",
    "orders_unmatchedcode_add": "orders.match_skus",
    "orders_unmatchedcode_delete": "orders.match_skus",
    "orders_order_enter": "orders.enter_order",
    "orders_order_cancel": "orders.cancel_order",
    "orders_order_recipient": "orders.readdress_order",
    "orders_order_regions": "orders.view_order",
    "orders_order_changes": "orders.confirm_changeset",
    "orders_order_present": "orders.view_order",
    "orders_order_bulk": "orders.cancel_order|orders.hold_order",  # beside that, only whose job it is
    "orders_shortages": "orders.view_suborder",
    "orders_cancel_short": "orders.cancel_order",
    "orders_order_bulk_file": "orders.cancel_order|orders.hold_order",
    "orders_order_divide": "orders.merge_suborder",
    "orders_order_ticket": "common.open_ticket",
    "orders_order_release": "orders.view_order",  # beside that, what the hold says
    "orders_order_undo": "orders.cancel_order|orders.hold_order",
    "orders_order_review": "orders.view_order",
    "orders_order_count": "orders.view_order",
    "orders_order_import": "orders.import_orders",
    "orders_order_import_mapping": "orders.import_orders",
    "orders_order_import_faults": "orders.import_orders",
    "orders_order_import_template": "orders.import_orders",
    "orders_order_sheet": "orders.price_changeset",
    "orders_order_sheet_mapping": "orders.price_changeset",
    "orders_order_sheet_faults": "orders.price_changeset",
    "orders_order_sheet_template": "orders.price_changeset",
    "orders_promise_rates": "orders.view_deliverypromise",
    "orders_review_rehearsal": "orders.view_reviewrule",
    "orders_returnrequest_request": "orders.work_return",
    "orders_returnrequest_exchange": "orders.work_return",
    "orders_returnrequest_rates": "orders.view_returnrequest",
    "orders_returnrequest_photo": "orders.view_returnrequest",
    "orders_strayparcel_add": "orders.inspect_return",
    "orders_strayparcel_photo": "orders.view_strayparcel",
    "payments_transfer_enter": "payments.enter_banktransfer",
    "payments_transfer_decide": "payments.approve_banktransfer",
    "payments_transfer_scan": "payments.enter_banktransfer|payments.approve_banktransfer",
    "payments_giftcard_issue": "payments.issue_giftcard",
    "payments_giftcard_top_up": "payments.issue_giftcard",
    "payments_giftcard_block": "payments.block_giftcard",
    "payments_giftcard_adjust": "payments.adjust_giftcard",
    "payments_pointsaccount_adjust": "payments.adjust_pointsaccount",
    "payments_dispute_enter": "payments.enter_dispute",
    "payments_dispute_decide": "payments.decide_dispute",
    "payments_grant": "payments.grant_refund",
    "payments_grant_approve": "payments.grant_refund",
    "payments_grant_decline": "payments.grant_refund",
    "payments_invoice_send_again": "payments.resend_invoice",
    "payments_invoice_take_back": "payments.red_invoice",
    "payments_invoice_mail": "payments.mail_invoice",
    "payments_invoice_commissions": "payments.issue_invoice",
    "payments_invoice_document": "payments.download_invoice",
    "payments_invoice_ask_card": "payments.issue_invoice",
    "payments_invoice_ask": "payments.issue_invoice|payments.retitle_invoice",
    "payments_invoice_issue": "payments.issue_invoice",
    "payments_invoice_withdraw": "payments.red_invoice",
    "payments_trial_balance": "payments.view_ledgerentry",
    "payments_bill_upload": "payments.upload_bill",
    "payments_statement_workbook": "payments.view_statement",
    "payments_retry": "payments.retry_payment",
    "payments_send_back": "payments.return_payment",
    "payments_deposit_decide": "payments.decide_deposit",
    "payments_send": "payments.send_refund",
    "payments_paid_out": "payments.pay_out_refund",
    "payments_settlementrow_add": "payments.correct_settlement",
    "payments_depositmovement_add": "payments.move_deposit|payments.fine_merchant",
    "logistics_carrierrule_preview": "logistics.view_carrierrule",
    "logistics_wave_gather": "logistics.gather_wave",
    "logistics_floor_number": "logistics.check_picktask",
    "logistics_floor_check": "logistics.check_picktask",
    "logistics_floor_hand_over": "logistics.check_picktask",
    "logistics_printout_print": "logistics.print_labels|logistics.print_lists",
    "logistics_move": "orders.move_suborder",
    "logistics_shipment_recall": "logistics.ask_recall",
    "logistics_station_scanning": "logistics.scan_courierparcel",
    "logistics_doorreport_photo": "logistics.view_doorreport",
    "logistics_routeplan_stops": "logistics.plan_routes",
    "logistics_routeplan_sheets": "logistics.plan_routes",
    "logistics_virtualsupply_import": "logistics.import_codes",
    "logistics_carrier_report": "logistics.view_alertgroup",
}
# Pages that show the same whether asked for by GET or POST.
READ_BY_POST = {"logistics_routeplan_change"}
VERBS = {"changelist": "view", "change": "view|change", "add": "add", "delete": "delete", "history": "view|change"}
POSTED = {"change": "change", "changelist": "view"}


def usual() -> dict[str, tuple[str, str]]:
    """Of the usual addresses of every list: the right to open it, and to post to it."""
    found = {}
    for page in admin.site._registry.values():
        app, model = page.opts.app_label, page.opts.model_name
        for name, verbs in VERBS.items():
            need, post = (
                "|".join(f"{app}.{verb}_{model}" for verb in some.split("|"))
                for some in (verbs, POSTED.get(name, verbs))
            )
            found[f"{app}_{model}_{name}"] = (need, post)
        if isinstance(page, ExportMixin):
            found[f"{app}_{model}_export"] = (page.export.permission, page.export.permission)
        else:
            found[f"{app}_{model}_export"] = (f"{app}.view_{model}", f"{app}.view_{model}")
        # Sheets that are edited as a file.
        found[f"{app}_{model}_file"] = (f"{app}.view_{model}", f"{app}.change_{model}")
    return found


def addresses() -> Iterator[tuple[str, str]]:
    """Name and address of every page and form of the site, of rows that there are, as far as there are any."""
    rows = {
        f"{page.opts.app_label}_{page.opts.model_name}": page.model._default_manager.order_by("pk").first()
        for page in admin.site._registry.values()
    }

    def walk(patterns: list, prefix: str) -> Iterator[tuple[str, str]]:
        for one in patterns:
            route = prefix + str(one.pattern)
            if not isinstance(one, URLPattern):
                yield from walk(one.url_patterns, route)
            elif one.name:
                yield one.name, route

    (site,) = (one for one in get_resolver().url_patterns if str(one.pattern) == "admin/")
    for name, route in walk(site.url_patterns, "/admin/"):
        if "(?P" in route:  # the list of an app's models
            continue
        app_model = "_".join(route.split("/")[2:4])
        row = rows.get(app_model)
        key = str(row.pk) if row is not None else "1"
        filled = re.sub(r"<(uuid:)\w+>", "8f14e45f-ceea-467f-a8d1-aaaaaaaaaaaa", route)
        yield name, re.sub(r"<[^>]*>", key, filled)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Thousands of refusals are expected: writing them down takes longer than they do."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def known(world: None) -> list[tuple[str, str, str, str]]:  # noqa: F811
    """Name, address, and the rights to open it and to post to it, of all that are not for all staff."""
    of_lists = usual()
    found = []
    for name, address in addresses():
        if FOR_ALL_STAFF.fullmatch(name):
            continue
        need, post = (RIGHTS[name], RIGHTS[name]) if name in RIGHTS else of_lists[name]
        found.append((name, address, need, post))
    return found


def may(held: set[str], needed: str) -> bool:
    """Whether one of the rights is held; `|` stands between several."""
    return not held.isdisjoint(needed.split("|"))


def ways_around(known: list[tuple[str, str, str, str]], share: int) -> list[str]:
    """What roles reach without the right to it, of every so many-th pair of a role and an address."""
    roles.install(SHIPPED)
    Role.objects.update(needs_second_factor=False)
    wrong = []
    for place, group in enumerate(Group.objects.order_by("pk")):
        user = UserFactory()
        user.groups.add(group)
        held = user.get_all_permissions()
        client = Client()
        client.force_login(user)
        for name, address, need, post in known[place % share :: share]:
            # A redirect shows nothing, and nothing is done by GET.
            if not may(held, need) and (status := client.get(address).status_code) not in (302, 403, 404, 405):
                wrong.append(f"{group.name}: GET {name} ({need}): {status}")
            if not may(held, post) and name not in READ_BY_POST and not name.endswith("_history"):
                # Whatever it did is undone: one way around must not hide another.
                with transaction.atomic():
                    status = client.post(address, {"reason": "x", "note": "x", "post": "yes"}).status_code
                    transaction.set_rollback(True)
                if status not in (403, 404, 405):
                    wrong.append(f"{group.name}: POST {name} ({post}): {status}")
    return wrong


def test_no_role_gets_by_address_or_post_what_its_rights_do_not_show(known):
    assert len(known) > 600
    assert ways_around(known, share=11) == []


@pytest.mark.soak
def test_no_role_gets_by_any_address_or_post_what_its_rights_do_not_show(known):
    assert ways_around(known, share=1) == []


def test_every_entry_of_the_menu_opens_for_who_sees_it_and_others_do_not_see_it(known):
    roles.install(SHIPPED)
    Role.objects.update(needs_second_factor=False)
    entries = {
        str(item["link"]): item.get("permission") for part in UNFOLD["SIDEBAR"]["navigation"] for item in part["items"]
    }
    opened = set()
    for group in Group.objects.exclude(name="administrator"):
        user = UserFactory()
        user.groups.add(group)
        client = Client()
        client.force_login(user)
        menu = client.get(reverse("admin:password_change")).content.decode()
        for link, right in entries.items():
            is_shown = f'href="{link}"' in menu
            assert is_shown == (right is None or user.has_perm(right)), (group.name, link)
            if is_shown and link not in opened:
                opened.add(link)
                assert client.get(link).status_code == 200, (group.name, link)
