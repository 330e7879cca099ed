"""The table of roles and rights: who may do what. Three statements, however many there are."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.contrib.auth.models import Group, Permission

from oms.common.access import roles
from oms.common.desk import permission_words


@dataclass(frozen=True, slots=True)
class Line:
    """A right in words, and for each column whether that group has it."""

    words: str
    has: list[bool]


def of_groups() -> dict[str, Any]:
    """`columns`: the groups in words, those of the program first; `parts`: of what, and the lines of its rights."""
    groups = list(Group.objects.select_related("role").order_by("role", "name"))
    holders: dict[int, set[int]] = defaultdict(set)
    for right, group in Group.permissions.through.objects.values_list("permission_id", "group_id"):
        holders[right].add(group)
    rights = permission_words.with_pages(Permission.objects.all()).order_by(
        "content_type__app_label", "content_type__model", "codename"
    )
    parts = []
    for _model, of_model in groupby(rights, key=lambda right: right.content_type_id):
        some = list(of_model)
        lines = [
            Line(permission_words.deed_in_words(one), [group.pk in holders[one.pk] for group in groups]) for one in some
        ]
        parts.append((permission_words.what_in_words(some[0]), lines))
    return {"columns": [roles.named(group) for group in groups], "parts": parts}
