"""The doors for people: wrong passwords are counted, and a password made by somebody else must be changed."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from oms.common.models import FailedLogIn, OneTimePassword, SecurityEvent
from oms.merchants.joining import people
from oms.merchants.models import MerchantUser
from tests import factories
from tests.admin.conftest import client_of

pytestmark = pytest.mark.django_db

DOORS = ("/admin/login/", "/merchant/login/")
NEW = "a-password-of-my-own-7"


WRONG = "wrong"


def attempt(door: str = "/admin/login/", name: str = "li", password: str = WRONG, **options: Any) -> HttpResponse:
    """Log in at the door in English, from 10.0.0.1 unless said otherwise."""
    language = options.pop("language", "en")
    client = options.pop("client", None) or Client(headers={"accept-language": language})
    return client.post(door, {"username": name, "password": password}, **{"REMOTE_ADDR": "10.0.0.1", **options})


@pytest.fixture
def li(shop: factories.Shop) -> Any:
    """Somebody who is both staff and a merchant's user, with the password "password"."""
    user = factories.UserFactory(username="li", is_superuser=True)
    MerchantUser.objects.create(user=user, merchant=shop.merchant)
    return user


@pytest.mark.parametrize("door", DOORS)
def test_after_five_wrong_passwords_even_the_right_one_must_wait(li, door):
    assert [attempt(door).status_code for _ in range(4)] == [200] * 4
    fifth = attempt(door)
    assert fifth.status_code == 429
    assert fifth["Retry-After"] == "900"
    refused = attempt(door, password="password")
    assert refused.status_code == 429
    assert 890 <= int(refused["Retry-After"]) <= 900
    page = refused.content.decode()
    assert "Too many wrong passwords came from here. Wait 15 minutes, or ask an administrator." in page
    assert 'value="li"' in page
    assert [attempt(door).status_code for _ in range(55)] == [429] * 55


def test_it_is_said_in_chinese_too(li):
    for _ in range(5):
        page = attempt(language="zh-hans")
    assert "输错密码的次数过多，请等待 15 分钟，或联系管理员。" in page.content.decode()


def test_both_doors_count_together_and_the_wait_passes(li):
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for number in range(5):
            attempt(DOORS[number % 2])
        assert attempt(DOORS[0], password="password").status_code == 429
        clock.shift(timedelta(minutes=10))
        waiting = attempt(DOORS[1])
        assert (waiting.status_code, waiting["Retry-After"]) == (429, "300")
        clock.shift(timedelta(minutes=5, seconds=1))
        assert attempt(DOORS[1], password="password").status_code == 302
        assert not FailedLogIn.objects.exists()


def test_others_and_other_addresses_are_not_held_up(li):
    factories.UserFactory(username="wang", is_superuser=True)
    for _ in range(6):
        attempt()
    assert attempt(name="wang", password="password").status_code == 302
    assert attempt(password="password", REMOTE_ADDR="10.0.0.2").status_code == 302
    assert attempt(password="password").status_code == 429


def test_who_logs_in_starts_anew(li):
    for _ in range(3):
        assert [attempt().status_code for _ in range(4)] == [200] * 4
        assert attempt(password="password").status_code == 302


def test_an_address_that_tries_many_names_must_wait_with_all_of_them(li, settings):
    settings.LOGIN_FAILURES_PER_ADDRESS = 7
    answers = [attempt(name=f"name-{number}").status_code for number in range(9)]
    assert answers == [200] * 6 + [429] * 3
    assert attempt(password="password").status_code == 429
    assert attempt(password="password", REMOTE_ADDR="10.0.0.2").status_code == 302


@pytest.mark.parametrize("is_behind", [True, False])
def test_the_address_is_found_as_everywhere(li, settings, is_behind):
    settings.BEHIND_PROXY = is_behind
    for number in range(5):
        attempt(HTTP_X_FORWARDED_FOR=f"{number}.1.1.1, 10.9.9.9")
    other = attempt(password="password", HTTP_X_FORWARDED_FOR="0.1.1.1, 10.8.8.8")
    same = attempt(password="password", HTTP_X_FORWARDED_FOR="7.7.7.7, 10.9.9.9")
    assert (other.status_code, same.status_code) == ((302, 429) if is_behind else (429, 429))


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        ("2001:db8::1", "2001:db8::2", 429),
        ("2001:db8::1", "2001:db8:0:1::1", 302),
        ("::ffff:10.0.0.1", "10.0.0.1", 429),
        ("::ffff:10.0.0.1", "10.0.0.2", 302),
        ("", "", 429),
        ("unix:", "10.0.0.1", 302),
    ],
)
def test_what_counts_as_one_address(li, first, second, status):
    for _ in range(5):
        attempt(REMOTE_ADDR=first)
    assert attempt(password="password", REMOTE_ADDR=second).status_code == status


def test_another_program_or_spelling_of_the_address_is_no_way_round(li):
    for number in range(5):
        attempt(f"/admin/login/?next=/{number}", HTTP_USER_AGENT=f"browser {number}")
    assert attempt(password="password", HTTP_USER_AGENT="browser 9").status_code == 429


@pytest.mark.parametrize("name", ["x" * 10_000, "\0", "", "li\0", "李" * 300, "' OR 1=1 --"])
def test_strange_names_are_refused_and_kept_short(li, name):
    for _ in range(7):
        answer = attempt(name=name, HTTP_USER_AGENT="y" * 1000, HTTP_ACCEPT="*" * 5000)
        assert answer.status_code in (200, 429)
    assert all(len(row.post_data) < 10_000 for row in FailedLogIn.objects.all())


def test_no_password_is_kept(li):
    attempt(password="my-secret-word")
    (row,) = FailedLogIn.objects.all()
    assert "my-secret-word" not in " ".join(str(value) for value in vars(row).values())


def test_the_check_of_a_password_takes_few_statements(li):
    attempt()
    with CaptureQueriesContext(connection) as captured:
        attempt()
    # One of them is the banner of every page of the staff's, one the entry in the security log.
    assert len(captured) <= 10


def test_an_administrator_lets_somebody_try_again(li, boss):
    for _ in range(5):
        attempt()
    listed = boss.get(reverse("admin:common_failedlogin_changelist"))
    assert "Must wait" in listed.content.decode()
    (row,) = FailedLogIn.objects.all()
    assert "10.0.0.1" in boss.get(reverse("admin:common_failedlogin_change", args=[row.pk])).content.decode()
    boss.post(reverse("admin:common_failedlogin_delete", args=[row.pk]), {"post": "yes"})
    assert attempt(password="password").status_code == 302


def test_twenty_wrong_passwords_are_in_the_security_log_and_fill_no_disk(li):
    for _ in range(20):
        attempt()
    told = list(SecurityEvent.objects.order_by("pk").values_list("kind", "person", "address", "values__must_wait"))
    assert told == [("log_in_refused", "li", "10.0.0.1", False)] * 4 + [("log_in_refused", "li", "10.0.0.1", True)]
    attempt(REMOTE_ADDR="10.0.0.2", password="password")
    assert SecurityEvent.objects.filter(kind="logged_in", person="li", address="10.0.0.2").count() == 1


def test_who_may_only_look_cannot_let_somebody_try_again(li):
    attempt()
    (row,) = FailedLogIn.objects.all()
    watcher = client_of("view_failedlogin")
    assert watcher.get(reverse("admin:common_failedlogin_changelist")).status_code == 200
    assert watcher.post(reverse("admin:common_failedlogin_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    assert client_of("view_order").get(reverse("admin:common_failedlogin_changelist")).status_code == 403


# --- Passwords that somebody else made --------------------------------------------------------------------------------


def logged_in(door: str, name: str, password: str) -> Client:
    """A client in which the user has logged in by the page."""
    client = Client(headers={"accept-language": "en"})
    assert attempt(door, name, password, client=client).status_code == 302
    return client


def change(client: Client, site: str, old: str, new: str) -> HttpResponse:
    """Send the form that changes one's own password."""
    form = {"old_password": old, "new_password1": new, "new_password2": new}
    return client.post(f"/{site}/password_change/", form)


def test_a_merchants_first_user_changes_the_password_before_anything_else(shop):
    given = people.add(shop.merchant, "li")
    client = logged_in("/merchant/login/", "li", given)
    for page in ("/merchant/", reverse("merchant:orders_order_changelist"), "/merchant/nothing/"):
        assert client.get(page)["Location"] == "/merchant/password_change/"
    form = client.get("/merchant/password_change/")
    assert "Somebody else made the password" in form.content.decode()
    refused = change(client, "merchant", given, given)
    assert refused.status_code == 200
    assert "Choose another password" in refused.content.decode()
    assert client.get("/merchant/").status_code == 302
    assert change(client, "merchant", given, NEW).status_code == 302
    assert client.get("/merchant/").status_code == 200
    assert logged_in("/merchant/login/", "li", NEW).get("/merchant/").status_code == 200
    assert not OneTimePassword.objects.exists()


def test_who_will_not_choose_can_only_log_out(shop):
    client = logged_in("/merchant/login/", "li", people.add(shop.merchant, "li"))
    assert client.post("/merchant/logout/").status_code in (200, 302)
    assert client.get("/merchant/")["Location"].startswith("/merchant/login/")


def test_a_user_that_staff_add_changes_the_password(boss):
    form = {
        "username": "new",
        "password1": "made-by-boss-11",
        "password2": "made-by-boss-11",
        "usable_password": "true",
    }
    assert boss.post(reverse("admin:auth_user_add"), form).status_code == 302
    get_user_model().objects.filter(username="new").update(is_staff=True, is_superuser=True)
    client = logged_in("/admin/login/", "new", "made-by-boss-11")
    assert client.get("/admin/")["Location"] == "/admin/password_change/"
    assert client.post(reverse("admin:orders_order_changelist"))["Location"] == "/admin/password_change/"
    assert change(client, "admin", "made-by-boss-11", NEW).status_code == 302
    assert client.get("/admin/").status_code == 200


def test_a_password_that_staff_set_anew_is_to_be_changed_and_ends_what_was_open(boss, li):
    before = logged_in("/admin/login/", "li", "password")
    assert before.get("/admin/").status_code == 200
    form = {"password1": "set-by-boss-11", "password2": "set-by-boss-11", "usable_password": "true"}
    form["set-password"] = "1"
    assert boss.post(reverse("admin:auth_user_password_change", args=[li.pk]), form).status_code == 302
    assert before.get("/admin/")["Location"].startswith("/admin/login/")
    client = logged_in("/admin/login/", "li", "set-by-boss-11")
    assert client.get("/admin/")["Location"] == "/admin/password_change/"
    assert boss.get("/admin/").status_code == 200


def test_ones_own_password_is_ones_own_wherever_it_was_changed(li):
    client = logged_in("/admin/login/", "li", "password")
    form = {"password1": NEW, "password2": NEW, "usable_password": "true", "set-password": "1"}
    assert client.post(reverse("admin:auth_user_password_change", args=[li.pk]), form).status_code == 302
    assert not OneTimePassword.objects.exists()
    assert client.get("/admin/").status_code == 200


def test_the_look_for_such_a_password_is_once_a_session(li):
    client = logged_in("/admin/login/", "li", "password")
    client.get("/admin/")
    with CaptureQueriesContext(connection) as captured:
        client.get("/admin/")
    assert not [query for query in captured if "onetimepassword" in query["sql"]]
