"""The menu beside every page of a site for people.

Unfold copies and resolves its entries anew for each page; with some ninety of them that was a third of what a list
costs. Here an entry is resolved once a process, and the menu is drawn once for each set of rights, language and entry.
"""

from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import get_language

DRAWN_MENUS = 512


def menu(settings_name: str, request: HttpRequest) -> SafeString:
    """The menu that the settings of this name describe, with the entries that the request's user may see; the entry
    of the page that is asked for is marked."""
    entries = _entries(settings_name)
    may_see = request.user.has_perm
    seen = tuple(
        number for number, (_link, permission) in enumerate(entries) if permission is None or may_see(permission)
    )
    # The first entry is the site's front page, which every other address begins with.
    inside = (number for number in seen if number and request.path.startswith(entries[number][0]))
    active = max(inside, key=lambda number: len(entries[number][0]), default=0 if request.path == entries[0][0] else -1)
    return _drawn(settings_name, get_language() or "", seen, active)


@lru_cache
def _entries(settings_name: str) -> list[tuple[str, str | None]]:
    """Each entry's address and the permission that it asks for, in the menu's order."""
    return [(str(item["link"]), item.get("permission")) for group in _groups(settings_name) for item in group["items"]]


@lru_cache(DRAWN_MENUS)
def _drawn(settings_name: str, language: str, seen: tuple[int, ...], active: int) -> SafeString:
    # The language is part of the key only: drawing happens in it.
    number = 0
    groups: list[dict[str, Any]] = []
    for group in _groups(settings_name):
        items = []
        for item in group["items"]:
            if number in seen:
                items.append({**item, "is_active": number == active})
            number += 1
        if items:
            is_open = not group.get("collapsible") or any(item["is_active"] for item in items)
            groups.append({**group, "items": items, "is_open": is_open})
    return render_to_string("admin/common/menu.html", {"menu": groups})


def _groups(settings_name: str) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = getattr(settings, settings_name)["SIDEBAR"]["navigation"]
    return groups
