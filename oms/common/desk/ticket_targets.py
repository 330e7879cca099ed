"""The page on which staff say within which time tickets of a kind should be done."""

from typing import Any, ClassVar

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from oms.common import tickets
from oms.common.desk.lists import KeysetAdmin
from oms.common.models import TicketTarget


def _kinds() -> list[tuple[str, str]]:
    return sorted(((kind.code, str(kind.title)) for kind in tickets.kinds().values()), key=lambda pair: pair[1])


class TicketTargetAdmin(KeysetAdmin):
    """Target times by kind; of kinds without one, what the kind itself says counts."""

    may_add = may_change = may_delete = True
    keyset: ClassVar[tuple[str, ...]] = ("kind", "id")
    list_display = ("title", "minutes", "usual")
    fields = ("kind", "minutes")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Kinds are chosen by their titles."""
        if db_field.name == "kind":
            return forms.ChoiceField(label=gettext_lazy("Kind"), choices=_kinds, widget=UnfoldAdminSelectWidget)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @display(description=gettext_lazy("kind"))
    def title(self, target: TicketTarget) -> str:
        """The kind in words."""
        kind = tickets.kinds().get(target.kind)
        return str(kind.title) if kind else target.kind

    @display(description=gettext_lazy("otherwise, in minutes"))
    def usual(self, target: TicketTarget) -> str:
        """What the kind itself says."""
        kind = tickets.kinds().get(target.kind)
        within = kind.due_within if kind else None
        return str(round(within.total_seconds() / 60)) if within else _("no deadline")
