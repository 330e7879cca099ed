"""Staff's lists leave out what is of sandboxes, unless it is asked for or searched by its number."""

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from oms.common.desk import lists
from oms.merchants import sandboxes


class SandboxFilter(DropdownFilter):
    """Whether what is of sandboxes is shown."""

    title = _("sandboxes")
    parameter_name = "sandbox"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Beside what is real, which is shown without a choice."""
        return [("1", _("Only sandboxes")), ("all", _("Sandboxes too"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows that are wanted."""
        if self.value() == "1":
            real = sandboxes.real(queryset.model._default_manager.order_by())
            return queryset.filter(~Q(pk__in=real.values("pk")))
        is_named = self.value() == "all" or request.GET.get("q")
        return queryset if is_named else sandboxes.real(queryset)


for _label in sandboxes.LABELS:
    lists.ADDED_FILTERS[_label] = SandboxFilter
