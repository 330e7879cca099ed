"""The roles that the program comes with: an update gives and takes what the code changed, and nothing else."""

from dataclasses import replace

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse
from django.utils import translation

from oms.common.access import roles
from oms.common.access.roles import ALL, ShippedRole
from oms.common.models import Role, SecurityEvent
from oms.shipped_roles import SHIPPED
from payments.granting import limits
from tests.admin.conftest import boss, client_of  # noqa: F401 - a fixture
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

CLERK = ShippedRole("clerk", ("orders.view_order", "orders.note_order"), "orders_order_changelist")


def rights(code: str) -> set[str]:
    """What the role's group may do."""
    return set(Permission.objects.filter(group__role__code=code).values_list("codename", flat=True))


def test_all_roles_are_made_with_their_rights_and_limits():
    roles.install(SHIPPED)
    limits.install_defaults()

    assert Role.objects.count() == Group.objects.count() == len(SHIPPED) == 13
    assert "view_personal_data" in rights("customer_service")
    assert "send_refund" not in rights("finance")
    assert "send_refund" in rights("finance_lead")
    assert {one for one in rights("auditor") if not one.startswith("view_")} == set()
    assert len(rights("administrator")) > 300
    assert dict(limits.GrantLimit.objects.values_list("group__role__code", "single_amount"))["after_sales"] == 200


def test_an_update_keeps_what_an_administrator_changed():
    roles.install([CLERK])
    group = Group.objects.get()
    group.permissions.remove(Permission.objects.get(codename="note_order"))
    group.permissions.add(Permission.objects.get(codename="hold_order"))

    roles.install([CLERK])
    assert rights("clerk") == {"view_order", "hold_order"}

    roles.install([replace(CLERK, rights=("orders.note_order", "orders.mark_order"))])
    assert rights("clerk") == {"mark_order", "hold_order"}


def test_what_an_administrator_renamed_or_deleted_stays_so():
    roles.install([CLERK, replace(CLERK, code="other")])
    Group.objects.filter(name="clerk").update(name="一线")
    Role.objects.filter(code="clerk").update(landing="common_ticket_changelist", needs_second_factor=True)
    Group.objects.get(name="other").delete()

    roles.install([CLERK, replace(CLERK, code="other", rights=(ALL,))])

    assert list(Group.objects.values_list("name", flat=True)) == ["一线"]
    role = Role.objects.get(code="clerk")
    assert (role.landing, role.needs_second_factor) == ("common_ticket_changelist", True)


def test_a_right_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="There is no right"):
        roles.install([replace(CLERK, rights=("orders.fly_order",))])
    assert not Group.objects.exists()


def test_every_role_is_named_in_both_languages_and_begins_on_a_page_that_it_may_see():
    roles.install(SHIPPED)
    for role in Role.objects.select_related("group"):
        with translation.override("en"):
            english = roles.named(role.group)
        with translation.override("zh-hans"):
            chinese = roles.named(role.group)
        assert english.isascii()
        assert english != role.code
        assert not chinese.isascii()
        user = UserFactory()
        user.groups.add(role.group)
        client = Client()
        client.force_login(user)
        Role.objects.update(needs_second_factor=False)
        landing = roles.landing_of(user)
        assert landing == (reverse(f"admin:{role.landing}") if role.landing else "/admin/")
        assert client.get(landing).status_code == 200, role.code


def test_every_page_of_the_menu_is_some_roles_work_and_not_only_the_administrators():
    roles.install(SHIPPED)
    for_administrators = {
        *("auth.view_user", "auth.view_group", "common.view_failedlogin", "common.view_invariantcheck"),
        *("common.view_outboundstop", "common.view_scheduledtask"),
    }
    held = {right for role in Role.objects.exclude(code__in=("administrator", "auditor")) for right in role.shipped}
    entries = [entry for part in settings.UNFOLD["SIDEBAR"]["navigation"] for entry in part["items"]]
    needed = {entry["permission"] for entry in entries if "permission" in entry}
    assert len(needed) > 60
    assert needed <= set(Role.objects.get(code="administrator").shipped), "a right that there is not"
    assert needed - held == for_administrators


def test_the_day_begins_on_the_roles_page():
    roles.install([CLERK])
    user = UserFactory(username="li")
    user.groups.add(Group.objects.get())
    form = {"username": "li", "password": "password", "next": "/admin/"}
    assert Client().post("/admin/login/", form)["Location"] == reverse("admin:orders_order_changelist")
    wanted = reverse("admin:orders_hold_changelist")
    assert Client().post("/admin/login/", {**form, "next": wanted})["Location"] == wanted


def test_the_table_of_roles_says_who_may_do_what(boss, django_assert_num_queries):  # noqa: F811 - the fixture
    roles.install(SHIPPED)
    page = boss.get(reverse("admin:auth_group_matrix"), headers={"accept-language": "zh-hans"}).content.decode()
    assert "客服主管" in page
    assert "可查看" in page
    assert client_of("view_order").get(reverse("admin:auth_group_matrix")).status_code == 403


def test_changes_of_rights_are_in_the_log(boss):  # noqa: F811 - the fixture
    roles.install([CLERK])
    group, user = Group.objects.get(), UserFactory(username="li")
    held = list(user.user_permissions.values_list("pk", flat=True))
    form = {"username": "li", "is_active": "on", "is_staff": "on", "groups": [group.pk], "user_permissions": held}
    assert boss.post(reverse("admin:auth_user_change", args=[user.pk]), form).status_code == 302
    assert boss.post(reverse("admin:auth_user_delete", args=[user.pk]), {"post": "yes"}).status_code == 302

    gone, given = SecurityEvent.objects.filter(kind="rights_changed").order_by("-id")[:2]
    assert (given.subject, given.values) == ("li", {"given": ["group:clerk"]})
    assert (gone.subject, gone.values) == ("li", {"deleted": True})
    log = boss.get(reverse("admin:common_securityevent_changelist")).content.decode()
    assert "given: clerk" in log


def test_only_superusers_make_superusers_or_change_one(boss):  # noqa: F811 - the fixture
    above, below = UserFactory(username="root", is_superuser=True), UserFactory(username="li")
    clerk = client_of("view_user", "change_user", "delete_user")
    form = {"username": "li", "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    assert clerk.post(reverse("admin:auth_user_change", args=[below.pk]), form).status_code == 302
    below.refresh_from_db()
    assert not below.is_superuser
    for name in ("auth_user_change", "auth_user_delete", "auth_user_password_change", "auth_user_remove_factor"):
        assert clerk.post(reverse(f"admin:{name}", args=[above.pk]), {"post": "yes"}).status_code == 403, name
