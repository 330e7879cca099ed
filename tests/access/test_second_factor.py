"""A password is not enough where a role says so; sessions end; both are in the log."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import TOTP

from oms.common.access import roles
from oms.common.access.roles import ShippedRole
from oms.common.models import Authenticator, RecoveryCode, SecurityEvent
from oms.common.secrecy import unseal
from oms.merchants.models import MerchantUser
from tests.admin.conftest import boss, client_of  # noqa: F401 - a fixture
from tests.factories import Shop, UserFactory

pytestmark = pytest.mark.django_db

PAGE, ORDERS = "/admin/second-factor/", "/admin/orders/order/"


@pytest.fixture
def li() -> Client:
    """Somebody of a role that needs a second factor, logged in by password."""
    roles.install([ShippedRole("lead", ("orders.view_order", "orders.hold_order"), needs_second_factor=True)])
    user = UserFactory(username="li")
    user.groups.add(Group.objects.get())
    return logged_in()


def logged_in() -> Client:
    """A client in which li has given the password."""
    client = Client(headers={"accept-language": "en"})
    client.force_login(Authenticator._meta.get_field("user").related_model.objects.get(username="li"))
    return client


def code(steps: int = 0) -> str:
    """What li's app shows, or will so many steps later."""
    totp = TOTP(bytes.fromhex(unseal(Authenticator.objects.get().secret)))
    totp.time = timezone.now().timestamp() + 30 * steps
    return f"{totp.token():06}"


def set_up(client: Client) -> list[str]:
    """Set the app up; returns the recovery codes."""
    client.get(PAGE)
    page = client.post(PAGE, {"code": code(), "next": ORDERS})
    return list(page.context["codes"])


def test_nothing_is_seen_or_done_before_the_second_factor(li):
    assert li.get(ORDERS)["Location"] == f"{PAGE}?next=%2Fadmin%2Forders%2Forder%2F"
    hold = reverse("admin:orders_order_hold", args=[1])
    assert li.post(hold, {"reason": "x"})["Location"].startswith(PAGE)
    assert li.get("/admin/search/?s=1")["Location"].startswith(PAGE)
    first = li.get(f"{PAGE}?next={ORDERS}")
    assert "no-store" in first["Cache-Control"]
    assert first.context["secret"] in first.content.decode()

    recovery = set_up(li)
    assert len(set(recovery)) == 10
    assert li.get(ORDERS).status_code == 200
    kept = str(list(RecoveryCode.objects.values()) + list(Authenticator.objects.values()))
    assert not any(one in kept or one.replace("-", "") in kept for one in recovery)
    assert [*SecurityEvent.objects.values_list("kind", flat=True)] == ["factor_set_up"]


def test_the_next_session_gives_a_code_once_and_then_another(li):
    with time_machine.travel(timezone.now(), tick=False) as clock:
        set_up(li)
        again = logged_in()
        assert again.get(ORDERS)["Location"].startswith(PAGE)
        page = again.get(PAGE).content.decode()
        assert 'id="secret"' not in page
        used = again.post(PAGE, {"code": code()})
        assert "This code is not right, or was used already." in used.content.decode()
        clock.shift(timedelta(seconds=31))
        assert again.post(PAGE, {"code": code(), "next": ORDERS})["Location"] == ORDERS
        assert again.get(ORDERS).status_code == 200


def test_wrong_codes_make_the_next_one_wait_ever_longer(li):
    with time_machine.travel(timezone.now(), tick=False) as clock:
        set_up(li)
        clock.shift(timedelta(seconds=31))
        again = logged_in()
        for _ in range(4):
            assert "not right" in again.post(PAGE, {"code": "000000"}).content.decode()
            clock.shift(timedelta(seconds=9))
        wrong = again.post(PAGE, {"code": "000000"}).content.decode()
        assert "not right" in wrong
        right = again.post(PAGE, {"code": code()}).content.decode()
        assert "Too many wrong codes. Wait 16 seconds." in right
        clock.shift(timedelta(seconds=17))
        assert again.post(PAGE, {"code": code()}).status_code == 302
    assert SecurityEvent.objects.filter(kind="factor_refused").count() == 5


def test_a_recovery_code_lets_in_once(li):
    with time_machine.travel(timezone.now(), tick=False) as clock:
        recovery = set_up(li)
        assert logged_in().post(PAGE, {"code": recovery[0].upper()}).status_code == 302
        assert logged_in().post(PAGE, {"code": recovery[0]}).status_code == 200
        clock.shift(timedelta(seconds=5))
        assert logged_in().post(PAGE, {"code": recovery[1].replace("-", "")}).status_code == 302
    last = SecurityEvent.objects.filter(kind="factor_recovered").latest("pk")
    assert last.values == {"left": 8}


def test_an_address_elsewhere_is_not_gone_to(li):
    assert li.get(f"{PAGE}?next=https://evil.example/").context["next"] == "/admin/"


def test_an_administrator_removes_what_is_lost_and_the_session_notices(li, boss):  # noqa: F811 - the fixture
    with time_machine.travel(timezone.now(), tick=False) as clock:
        set_up(li)
        user = Authenticator.objects.get().user
        remove = reverse("admin:auth_user_remove_factor", args=[user.pk])
        assert client_of("view_user").post(remove).status_code == 403
        assert remove in boss.get(reverse("admin:auth_user_change", args=[user.pk])).content.decode()
        assert boss.post(remove).status_code == 302
        assert not RecoveryCode.objects.exists()
        clock.shift(timedelta(seconds=61))
        assert li.get(ORDERS).status_code == 302
        assert li.get(ORDERS)["Location"].startswith(PAGE)


def test_who_needs_none_is_not_asked_and_superusers_by_setting(boss, settings):  # noqa: F811 - the fixture
    assert client_of("view_order").get(ORDERS).status_code == 200
    settings.SUPERUSERS_NEED_SECOND_FACTOR = True
    assert client_of(is_superuser=True).get(ORDERS)["Location"].startswith(PAGE)


def test_a_role_that_comes_to_need_one_is_noticed_by_open_sessions(li):
    roles.Role.objects.update(needs_second_factor=False)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        assert li.get(ORDERS).status_code == 200
        roles.Role.objects.update(needs_second_factor=True)
        clock.shift(timedelta(seconds=61))
        li.get(ORDERS)
        assert li.get(ORDERS)["Location"].startswith(PAGE)


@pytest.mark.parametrize(("gap", "steps", "is_over"), [(7201, 1, True), (7000, 6, False), (7000, 7, True)])
def test_a_session_ends_when_nobody_asks_or_after_half_a_day(gap, steps, is_over):
    client = client_of("view_order")
    with time_machine.travel(timezone.now(), tick=False) as clock:
        assert client.get(ORDERS).status_code == 200
        for _ in range(steps):
            clock.shift(timedelta(seconds=gap))
            answer = client.get(ORDERS)
        assert answer.status_code == (302 if is_over else 200)
        if is_over:
            assert answer["Location"].startswith("/admin/login/")
            assert client.post(reverse("admin:orders_order_hold", args=[1])).status_code == 403
    ended = [*SecurityEvent.objects.values_list("kind", "values__after")]
    assert ended == ([("session_ended", "idle" if gap > 7200 else "whole")] if is_over else [])


def test_merchants_sessions_end_too(shop: Shop):
    user = UserFactory(username="shop", is_staff=False)
    MerchantUser.objects.create(user=user, merchant=shop.merchant)
    client = Client()
    client.force_login(user)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        assert client.get("/merchant/").status_code == 200
        clock.shift(timedelta(hours=3))
        assert client.get("/merchant/").status_code == 302


def test_the_log_is_only_ever_added_to(li):
    set_up(li)
    for change in (
        lambda: SecurityEvent.objects.all().delete(),
        lambda: SecurityEvent.objects.update(person="somebody else"),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()
    assert SecurityEvent.objects.get().person == "li"
