"""Roles: groups with a first page and, where a password is not enough, a second factor.

What a role of the program may do is said in code (`oms.shipped_roles`), what it may do here in its group's rights. An
update of the program gives and takes only what the code changed since the last one (`Role.shipped`).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, Group, Permission
from django.db import connection, transaction
from django.urls import NoReverseMatch, resolve, reverse
from django.utils.translation import gettext_lazy

from oms.common.codebook import Codebook
from oms.common.models import Role

# How shipped roles are called, by code; a group keeps its code as its name until somebody renames it.
NAMES = Codebook()
ALL, ALL_VIEWS = "*", "view_*"
_LOCK = 0x726F6C65  # of the advisory lock under which roles are installed


@dataclass(frozen=True, slots=True)
class ShippedRole:
    """A role of the program: its rights (`app.codename`; ALL, ALL_VIEWS), the name of its first page, and whether its
    members need a second factor."""

    code: str
    rights: Sequence[str]
    landing: str = ""
    needs_second_factor: bool = False


def named(group: Group) -> str:
    """How the group is called, in the reader's language."""
    return NAMES.word(group.name)


@transaction.atomic
def install(shipped: Iterable[ShippedRole]) -> None:
    """Make the roles that are not there yet, and give and take what the code changed of the others. Raises ValueError
    for a right that there is not."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    known = {
        f"{app}.{code}": key
        for key, app, code in Permission.objects.values_list("pk", "content_type__app_label", "codename")
    }
    roles = {role.code: role for role in Role.objects.exclude(code="").select_related("group")}
    for one in shipped:
        wanted = _spelled_out(one.rights, known)
        role = roles.get(one.code)
        if role is None:
            group, _is_new = Group.objects.get_or_create(name=one.code)
            role = Role.objects.create(
                group=group, code=one.code, landing=one.landing, needs_second_factor=one.needs_second_factor
            )
        if role.group is None or set(role.shipped) == wanted:
            continue
        had = set(role.shipped)
        role.group.permissions.add(*(known[right] for right in wanted - had))
        role.group.permissions.remove(*(known[right] for right in had - wanted if right in known))
        role.shipped = sorted(wanted)
        role.save(update_fields=["shipped"])


def _spelled_out(rights: Collection[str], known: Collection[str]) -> set[str]:
    found: set[str] = set()
    for right in rights:
        if right == ALL:
            found |= set(known)
        elif right == ALL_VIEWS:
            found |= {one for one in known if one.partition(".")[2].startswith("view_")}
        elif right in known:
            found.add(right)
        else:
            raise ValueError(f"There is no right {right}.")
    return found


def landing_of(user: AbstractBaseUser) -> str:
    """The address of the page on which the user's day begins: of the first role that says one; else the dashboard."""
    names = (
        Role.objects.filter(group__user=user.pk).exclude(landing="").order_by("pk").values_list("landing", flat=True)
    )
    for name in names:
        try:
            return reverse(f"admin:{name}")
        except NoReverseMatch:
            continue  # a page that an update took away
    return reverse("admin:index")


def needs_second_factor(user: Any) -> bool:
    """Whether a password is not enough for the user: a role of it says so, or the settings, of superusers."""
    if user.is_superuser and settings.SUPERUSERS_NEED_SECOND_FACTOR:
        return True
    return Role.objects.filter(group__user=user.pk, needs_second_factor=True).exists()


@lru_cache
def landings() -> list[tuple[str, Any]]:
    """The names and titles of the pages that may be a first one: those of the menu."""
    found: list[tuple[str, Any]] = [("", gettext_lazy("Dashboard"))]
    for group in settings.UNFOLD["SIDEBAR"]["navigation"]:
        for item in group["items"]:
            name = resolve(str(item["link"])).url_name
            if name and name != "index":
                found.append((name, item["title"]))
    return found
