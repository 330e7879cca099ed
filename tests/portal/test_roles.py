"""What each role may on the merchants' pages: every page and every action, by the one table of roles."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import URLResolver, reverse

import oms.urls  # noqa: F401 - brings all pages, whichever test runs first
from inventory.models import Stock
from logistics.models import WarehouseOrder
from oms import merchant_admin
from oms.common.desk.acting import RowActions
from oms.merchant_admin import OwnPages
from oms.merchants.calls import credentials
from oms.merchants.joining import people
from oms.merchants.joining.people import LastAdministrator
from oms.merchants.joining.roles import MAY, Right, Role
from oms.merchants.models import ApiCredential, MerchantEvent, MerchantUser
from oms.portal import imports, starting
from orders.models import OrderEvent
from tests.portal import world

pytestmark = pytest.mark.django_db
PAGES: dict[str, OwnPages] = {
    f"{model._meta.app_label}_{model._meta.model_name}": page
    for model, page in merchant_admin.site._registry.items()
    if isinstance(page, OwnPages)
}
ACTIONS = [
    (f"{name}_{action.name}", action.right)
    for name, page in PAGES.items()
    if isinstance(page, RowActions)
    for action in page.row_actions
]
# Addresses beside lists, forms and row actions: with the right that each takes.
OTHERS: list[tuple[str, list[Any], str]] = [
    *(
        (wizard.name + step, args, wizard.right)
        for wizard in imports.ALL
        for step, args in (("", []), ("_template", []), ("_mapping", [987654]), ("_faults", [987654]))
    ),
    *(("starting_test", [step.code], step.right) for step in starting.STEPS),
    ("logistics_warehouseorder_ship", [], "portal.ship"),
    ("logistics_warehouseorder_print", [], "portal.ship"),
    ("logistics_warehouseorder_ship_one", [1], "portal.ship"),
    ("inventory_stock_count", [], "portal.catalogue"),
    ("payments_statement_dispute", [1], "portal.money"),
    ("payments_statement_workbook", [1], "portal.see_money"),
    ("payments_invoice_document", [987654], "portal.money"),
    ("inventory_replenishmentpolicy_rows", [], "portal.catalogue"),
    ("merchants_refusedcall_check", [], "portal.keys"),
    ("orders_order_enter", [], "portal.orders"),
    ("orders_returnrequest_request", [987654], "portal.orders"),
    ("orders_returnrequest_exchange", [987654], "portal.orders"),
    ("orders_returnrequest_inspect", [987654], "portal.ship"),
    ("orders_returnrequest_grant", [987654], "portal.money"),
    ("orders_returnrequest_cannot_repair", [987654], "portal.orders"),
    ("payments_refundgrant_ask", [987654], "portal.money"),
]
# Of every page of rows.
USUAL = ("changelist", "add", "change", "history", "delete")
# What every role may, and what no matrix can ask for: with why, or which test does.
ELSEWHERE = {
    **dict.fromkeys(("index", "login", "logout", "second_factor", "search", "jsi18n", "app_list"), "of every site"),
    **dict.fromkeys(("password_change", "password_change_done", "autocomplete", "view_on_site"), "of every site"),
    **dict.fromkeys(("list_views", "list_view_gone", "list_view_change", "list_columns"), "one's own choices"),
    **dict.fromkeys(("sandbox_enter", "sandbox_leave"), "roles hold there too: tests/portal/test_sandbox.py"),
    **dict.fromkeys(("common_job_progress", "common_job_download", "common_job_cancel"), "one's own imports"),
    "orders_returnrequest_photo": "returns are read by every role",
    **{
        f"merchants_apicredential_{name}": "test_who_may_not_give_keys_cannot_by_any_address"
        for name in ("add_secret", "retire_secret", "revoke")
    },
}


def allowed(role: Role, right: str) -> bool:
    """By the table."""
    return not right or Right(right.removeprefix("portal.")) in MAY[role]


@pytest.fixture
def seller(db: None) -> world.Seller:
    """A merchant that ships by itself."""
    return world.make_seller()


@pytest.mark.parametrize("role", Role)
def test_a_role_sees_and_does_what_the_table_says_and_nothing_else(seller, role) -> None:
    client = world.person_of(seller.merchant, role)
    wrong = []

    def expect(what: str, status: int, may: bool) -> None:
        if (status == 403) == may or status == 500:
            wrong.append((what, status, may))

    for name, page in PAGES.items():
        expect(
            f"list of {name}", client.get(reverse(f"merchant:{name}_changelist")).status_code, allowed(role, page.sees)
        )
        may_add = page.may_add and allowed(role, page.changes)
        expect(f"add {name}", client.get(reverse(f"merchant:{name}_add")).status_code, may_add)
    for name, right in ACTIONS:
        page = PAGES[next(known for known in PAGES if name.startswith(f"{known}_"))]
        may = allowed(role, right) and allowed(role, page.sees)
        address = reverse(f"merchant:{name}", args=[987654])
        assert client.get(address).status_code == 405
        expect(f"do {name}", client.post(address, {"version": 1}).status_code, may)
    for name, args, right in OTHERS:
        post = args or name.endswith("dispute")
        answer = (client.post if post else client.get)(reverse(f"merchant:{name}", args=args))
        expect(name, answer.status_code, allowed(role, right))
    assert wrong == []


def names_of(patterns: list[Any]) -> Iterator[str]:
    """The names of the addresses, as deep as they stand; those without one only lead on to another."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from names_of(pattern.url_patterns)
        elif pattern.name:
            yield pattern.name


def test_the_matrix_leaves_no_address_out() -> None:
    known = {f"{name}_{usual}" for name in PAGES for usual in USUAL} | ELSEWHERE.keys()
    known |= {name for name, _right in ACTIONS} | {name for name, _args, _right in OTHERS}
    there = set(names_of(merchant_admin.site.get_urls()))
    assert there - known == set()
    assert ELSEWHERE.keys() - there == set()


def test_every_right_is_asked_for_somewhere_and_known() -> None:
    asked = {right for _name, right in ACTIONS} | {right for _name, _args, right in OTHERS}
    asked |= {page.sees for page in PAGES.values()} | {page.changes for page in PAGES.values()}
    asked |= {step.right for step in starting.STEPS}
    assert asked - {""} == {f"portal.{right}" for right in Right}


@pytest.mark.parametrize("role", Role)
def test_the_menu_has_what_the_role_may_see(seller, role) -> None:
    page = world.person_of(seller.merchant, role).get("/merchant/").content.decode()
    for name, known in PAGES.items():
        address = reverse(f"merchant:{name}_changelist")
        assert (f'href="{address}"' in page) == allowed(role, known.sees), name


def test_who_may_not_ship_changes_nothing(seller) -> None:
    (work,) = seller.orders(1)
    client = world.person_of(seller.merchant, Role.READ_ONLY)
    form = {"carrier": "SF", "waybill": "SF100000001"}
    assert client.post(reverse("merchant:logistics_warehouseorder_ship_one", args=[work.pk]), form).status_code == 403
    assert WarehouseOrder.objects.get().state == "sent"
    stock = Stock.objects.filter(sku=seller.sku).get()
    count = reverse("merchant:inventory_stock_count", args=[])
    assert client.post(count, {"sku": seller.sku.code, "on_hand": 1}).status_code == 403
    assert client.post(f"/merchant/inventory/stock/{stock.pk}/count/", {"on_hand": 1, "version": 1}).status_code == 403
    assert Stock.objects.get(pk=stock.pk).on_hand == 1000


def test_a_recipient_is_masked_until_somebody_asks_and_that_is_noted(seller) -> None:
    (work,) = seller.orders(1)
    client = world.person_of(seller.merchant, Role.LOGISTICS)
    page = reverse("merchant:logistics_warehouseorder_change", args=[work.pk])
    order = work.sub_order.order
    pages = (page, "/merchant/logistics/warehouseorder/", "/merchant/orders/order/")
    for address in (*pages, reverse("merchant:orders_order_change", args=[order.pk])):
        text = client.get(address).content.decode()
        assert "张*" in text
        assert "13800001111" not in text
        assert "中山路861号" not in text
    assert not OrderEvent.objects.filter(kind="recipient_shown").exists()
    for address in (f"{page.removesuffix('change/')}recipient/", f"/merchant/orders/order/{order.pk}/recipient/"):
        shown = client.post(address)
        assert "13800001111" in shown.content.decode()
        assert "中山路861号" in shown.content.decode()
        assert "no-store" in shown["Cache-Control"]
    told = OrderEvent.objects.filter(kind="recipient_shown")
    assert [event.actor for event in told] == [f"{seller.merchant.code} {client.session_name}"] * 2


def test_an_administrator_invites_changes_and_locks_out(seller) -> None:
    boss = world.person_of(seller.merchant)
    add = reverse("merchant:merchants_merchantuser_add")
    page = boss.post(add, {"username": "zhao", "role": "logistics"})
    password = page.context["password"]
    assert "no-store" in page["Cache-Control"]
    assert boss.post(add, {"username": "zhao", "role": "logistics"}).context["form"].errors.keys() == {"username"}
    assert boss.post(add, {"username": "bad name", "role": "logistics"}).status_code == 400
    zhao = MerchantUser.objects.get(user__username="zhao")
    assert (zhao.role, zhao.merchant) == ("logistics", seller.merchant)
    client = Client(headers={"accept-language": "en"})
    assert client.post("/merchant/login/", {"username": "zhao", "password": password})["Location"] == "/merchant/"

    base = f"/merchant/merchants/merchantuser/{zhao.pk}"
    boss.post(f"{base}/role/", {"role": "finance"})
    assert MerchantUser.objects.get(pk=zhao.pk).role == "finance"
    new = boss.post(f"{base}/password/").context["password"]
    user = get_user_model().objects.get(username="zhao")
    assert (user.check_password(password), user.check_password(new)) == (False, True)
    assert client.get("/merchant/")["Location"].startswith("/merchant/login/")
    gone = boss.post(f"{base}/remove/", follow=True)
    assert [str(message) for message in gone.context["messages"]] == ["They are locked out."]
    assert gone.redirect_chain[-1][0] == reverse("merchant:merchants_merchantuser_changelist")
    assert not MerchantUser.objects.filter(pk=zhao.pk).exists()
    assert not get_user_model().objects.get(username="zhao").is_active
    assert [event.kind for event in MerchantEvent.objects.filter(merchant=seller.merchant)] == [
        "person_added",
        "person_changed",
        "person_changed",
        "person_removed",
    ]


def test_there_is_always_an_administrator(seller) -> None:
    boss = world.person_of(seller.merchant)
    own = MerchantUser.objects.get()
    page = boss.post(f"/merchant/merchants/merchantuser/{own.pk}/role/", {"role": "read_only"}, follow=True)
    assert "There must be an administrator" in page.content.decode()
    with pytest.raises(LastAdministrator):
        people.remove(seller.merchant, own.pk, actor="x")
    world.person_of(seller.merchant)
    people.change_role(seller.merchant, own.pk, role=Role.READ_ONLY, actor="x")
    assert boss.get(reverse("merchant:merchants_apicredential_changelist")).status_code == 403


def test_colleagues_of_another_merchant_are_not_found(seller) -> None:
    boss = world.person_of(seller.merchant)
    theirs = MerchantUser.objects.get(pk=_other_person())
    for action in ("role", "password", "remove"):
        address = f"/merchant/merchants/merchantuser/{theirs.pk}/{action}/"
        assert boss.post(address, {"role": "read_only"}).status_code == 404
    assert MerchantUser.objects.get(pk=theirs.pk).role == "administrator"


def _other_person() -> int:
    other = world.make_seller()
    people.add(other.merchant, "theirs")
    return other.merchant.users.get().pk


def test_who_may_not_give_keys_cannot_by_any_address(seller) -> None:
    credential = credentials.issue(seller.merchant, "own").credential
    client = world.person_of(seller.merchant, Role.LOGISTICS)
    name = "merchant:merchants_apicredential"
    posts: list[tuple[str, list[Any]]] = [("add", []), ("add_secret", [credential.pk]), ("revoke", [credential.pk])]
    posts.append(("retire_secret", [credential.pk, credential.secrets.get().pk]))
    for action, args in posts:
        assert client.post(reverse(f"{name}_{action}", args=args), {"name": "x"}).status_code in (403, 404)
    assert ApiCredential.objects.get().is_active
    assert credential.secrets.get().retired_at is None
