"""Rights in the reader's language: Django stores their names in English."""

from django.contrib.auth.models import Permission
from django.db.models import QuerySet
from django.utils.translation import gettext, gettext_lazy

# Of tables that have no page here, rights mean nothing.
_WITHOUT_PAGES = ("admin", "axes", "contenttypes", "sessions")
_VERBS = {
    "add": gettext_lazy("Can add"),
    "change": gettext_lazy("Can change"),
    "delete": gettext_lazy("Can delete"),
    "view": gettext_lazy("Can view"),
}


def with_pages(permissions: QuerySet[Permission]) -> QuerySet[Permission]:
    """Those that can make a difference."""
    return permissions.exclude(content_type__app_label__in=_WITHOUT_PAGES).select_related("content_type")


def in_words(permission: Permission) -> str:
    """Of what, and what one may do."""
    return f"{what_in_words(permission)} · {deed_in_words(permission)}"


def what_in_words(permission: Permission) -> str:
    """What the right is about."""
    model = permission.content_type.model_class()
    return str(model._meta.verbose_name if model else permission.content_type.model)


def deed_in_words(permission: Permission) -> str:
    """What one may do with it."""
    verb, _separator, rest = permission.codename.partition("_")
    is_usual = rest == permission.content_type.model and verb in _VERBS
    return str(_VERBS[verb]) if is_usual else gettext(permission.name)
