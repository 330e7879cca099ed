"""Lists that page by key, never by OFFSET: the page after a row, however many others came meanwhile."""

from collections.abc import Sequence
from typing import Any

from django.core.paginator import EmptyPage, Page, Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, QueryDict
from django.utils.functional import cached_property
from unfold.views import ChangeList

from oms.common.desk.counting import count_label

OLDER, NEWER = "older", "newer"
# The order that was asked for, where it is not the list's own.
SORT = "sort"


def filters_of(request: HttpRequest, *besides: str) -> QueryDict:
    """What was asked of the list, without the place in it and without the parameters `besides`; it may be changed."""
    query = request.GET.copy()
    for name in (OLDER, NEWER, *besides):
        query.pop(name, None)
    return query


class PagingByKey(Paginator):
    """A paginator that counts nothing. The change list pages by itself; the choices of a field come by `page`."""

    template_name = "admin/keyset_pagination.html"

    @cached_property
    def count(self) -> int:  # type: ignore[override]
        """No list is that long; Django only compares it."""
        return 0

    def page(self, number: int | str) -> "_UncountedPage":
        """The page, which looks one row further to know whether there is another. Raises EmptyPage below 1."""
        if int(number) < 1:
            raise EmptyPage
        start = (int(number) - 1) * self.per_page
        rows = list(self.object_list[start : start + self.per_page + 1])
        found = _UncountedPage(rows[: self.per_page], int(number), self)
        found.is_last = len(rows) <= self.per_page
        return found


class _UncountedPage(Page):
    is_last = True

    def has_next(self) -> bool:
        """Whether another row was seen."""
        return not self.is_last


class KeysetChangeList(ChangeList):
    """A page of a list, found by the key of the row next to it: `?older=ID` or `?newer=ID`.

    `model_admin.get_keyset` names the ordering's fields; the last of them must be unique.
    """

    older_query: str | None
    is_by_age: bool
    newer_query: str | None
    count_label: str

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str] | None = None) -> QuerySet[Any]:
        """The filtered rows; the place in the list is no filter, so links to other filters start at the top."""
        self.cursors = {}
        for name in (OLDER, NEWER):
            self.params.pop(name, None)
            value = self.filter_params.pop(name, [""])[-1]
            if value.isascii() and value.isdigit() and len(value) < 19:
                self.cursors[name] = int(value)
        return super().get_queryset(request, exclude_parameters)

    def get_filters_params(self, params: Any = None) -> Any:
        """The filters: the order is none, but stays in links to them."""
        found = super().get_filters_params(params)
        found.pop(SORT, None)
        return found

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str]:
        """Always the list's own order: only that has an index to page by."""
        return list(self.model_admin.get_keyset(request))

    def get_results(self, request: HttpRequest) -> None:
        """Read one page and whether there is more on either side."""
        size = self.list_per_page
        self.paginator = self.model_admin.get_paginator(request, self.queryset, size)
        keyset = tuple(self.model_admin.get_keyset(request))
        going_up = NEWER in self.cursors
        order = _reversed(keyset) if going_up else keyset
        cursor = self.cursors.get(NEWER if going_up else OLDER)
        rows = self.queryset.order_by(*order)
        if cursor is not None:
            rows = _beyond(rows, order, cursor)
        page = list(rows[: size + 1])
        has_more, page = len(page) > size, page[:size]
        if going_up:
            page.reverse()
        has_newer = has_more if going_up else cursor is not None
        has_older = cursor is not None if going_up else has_more
        self.newer_query = self.get_query_string({NEWER: page[0].pk}) if page and has_newer else None
        self.older_query = self.get_query_string({OLDER: page[-1].pk}) if page and has_older else None
        self.is_by_age = tuple(keyset) == ("-id",)
        self.first_query = self.get_query_string() if self.cursors else None
        self.count_label = count_label(self.queryset)

        self.result_list = page
        # Django compares these to offer "show all" and numbered pages: nothing of that here.
        self.result_count = self.full_result_count = len(page)
        self.show_full_result_count = False
        self.show_admin_actions = True
        self.can_show_all = self.multi_page = self.show_all = False
        self.model_admin.prepare_rows(request, page)


def _reversed(keyset: Sequence[str]) -> tuple[str, ...]:
    return tuple(field.removeprefix("-") if field.startswith("-") else f"-{field}" for field in keyset)


def _beyond(rows: QuerySet[Any], order: Sequence[str], key: int) -> QuerySet[Any]:
    """The rows that come after the row `key` in the order."""
    fields = [field.removeprefix("-") for field in order]
    if fields == ["id"]:
        values: tuple[Any, ...] | None = (key,)
    else:
        values = rows.model._default_manager.filter(pk=key).values_list(*fields).first()
    if values is None:
        return rows
    condition, equal = Q(), Q()
    for field, name, value in zip(order, fields, values, strict=True):
        condition |= equal & _after(name, value, falling=field.startswith("-"))
        equal &= Q(**{f"{name}__isnull": True}) if value is None else Q(**{name: value})
    return rows.filter(condition)


def _after(name: str, value: Any, *, falling: bool) -> Q:
    """The condition that a field comes after the value. PostgreSQL takes null for the largest of all."""
    if value is None:
        return Q(**{f"{name}__isnull": False}) if falling else Q(pk__in=())
    if falling:
        return Q(**{f"{name}__lt": value})
    return Q(**{f"{name}__gt": value}) | Q(**{f"{name}__isnull": True})
