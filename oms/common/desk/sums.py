"""Sums under a list: of the columns that a list names, over all rows that its filters let through."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib.admin.views.main import ChangeList as DjangoChangeList
from django.db.models import Count, Sum
from django.http import HttpRequest
from django.utils.text import capfirst

from oms.common.desk.keyset import KeysetChangeList

# Up to so many rows are added up; who wants the sum of more narrows the list, or exports it.
MOST_ROWS = 10_000


class SummedChangeList(KeysetChangeList):
    """A list with sums."""

    def sums(self) -> list[tuple[str, Decimal]] | None:
        """Each summed column's name with its sum (yuan) over the filtered rows; None where they are too many. One
        statement."""
        names: Sequence[str] = self.model_admin.summed
        rows = self.queryset.order_by()[: MOST_ROWS + 1]
        found = rows.aggregate(
            rows_found=Count("pk"), **{f"sum_{name}": Sum(name, default=Decimal(0)) for name in names}
        )
        if found.pop("rows_found") > MOST_ROWS:
            return None
        labels = [capfirst(str(self.model._meta.get_field(name).verbose_name)) for name in names]
        return list(zip(labels, found.values(), strict=True))


class Summed:
    """Shows the sums of the columns `summed` above a list; mix it into a KeysetAdmin."""

    summed: ClassVar[Sequence[str]] = ()
    list_before_template = "admin/common/sums.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[DjangoChangeList]:
        """A list with sums."""
        return SummedChangeList
