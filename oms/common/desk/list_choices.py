"""What may be chosen of a list: columns besides its own, and orders that an index has ready."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.admin.utils import label_for_field
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils.translation import gettext as _

from oms.common.models import QUEUE_COLUMNS

# Columns that only the machinery reads.
INTERNAL = frozenset(
    {"id", "lease_until", "lease_token", "moved_from", "address_key", "token_hash", "entry_count", "stamp"}
)
# Columns of a row's place in its queue; they come after what the row is about.
LAST = QUEUE_COLUMNS | {"assigned_to", "version", "expected_event", "next_event_due"}
# Keys of other rows, amounts in fen and what says why a rate is none, which people read by other columns.
_NOT_FOR_PEOPLE = ("_id", "_key", "_by", "fen", "_tax_mark")
# Columns of these kinds name nobody, and cost nothing to show.
_PLAIN = (models.DateField, models.DecimalField, models.IntegerField, models.BooleanField)
OLDEST = "oldest"
_NEWEST_FIRST = ("-id",)


def more_columns(model_admin: Any, names: Sequence[Any]) -> list[str]:
    """Columns of the rows that the list (`names`) does not show, by themselves or in words. Merchants see what their
    lists show."""
    if model_admin.admin_site.name != "admin":
        return []
    shown_by: Mapping[str, str] = model_admin.shown_by
    in_words = {str(name).rpartition("_")[0] for name in names}
    in_words |= {name for name, method in shown_by.items() if method in names}
    skipped = {*names, *in_words, *INTERNAL, *LAST}
    return [
        shown_by.get(field.name, field.name)
        for field in model_admin.model._meta.concrete_fields
        if field.name not in skipped
        and not field.name.endswith(_NOT_FOR_PEOPLE)
        and (isinstance(field, _PLAIN) or (isinstance(field, models.CharField) and field.choices))
    ]


def sorts_of(model_admin: Any) -> dict[str, tuple[str, ...]]:
    """The orders of a list besides its own, by name, each as the fields that a page is found by: the oldest first where
    the newest are, and by those of its columns that an index has in order."""
    keyset = tuple(model_admin.keyset)
    found: dict[str, tuple[str, ...]] = {OLDEST: ("id",)} if keyset == _NEWEST_FIRST else {}
    for name in model_admin.list_display:
        if isinstance(name, str) and name not in (keyset[0], "id") and _is_indexed(model_admin.model, name):
            found[name] = (name, "pk")
    return found


def sort_words(model_admin: Any, name: str) -> str:
    """How an order is called; an empty name is the list's own."""
    if name == OLDEST:
        return _("Oldest first")
    if name:
        return _("By %(column)s") % {"column": label_for_field(name, model_admin.model, model_admin)}
    return _("Newest first") if tuple(model_admin.keyset) == _NEWEST_FIRST else _("Usual order")


def _is_indexed(model: type[models.Model], name: str) -> bool:
    """Whether an index of all rows begins with the column, which none of them lacks."""
    try:
        field: Any = model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    if field.is_relation or field.null:
        return False
    unique = [one for one in model._meta.constraints if isinstance(one, models.UniqueConstraint)]
    first = [list(one.fields)[:1] for one in (*model._meta.indexes, *unique) if one.condition is None]
    return field.unique or field.db_index or [name] in first
