"""What the staff's pages have in common: lists that stay fast on big tables, exact search, and no accidental edits.

A list pages by key, never by OFFSET; its size is estimated or counted up to a cap, never counted out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib.admin import ShowFacets
from django.contrib.admin.views.main import ChangeList as DjangoChangeList
from django.contrib.postgres.expressions import ArraySubquery
from django.core.paginator import EmptyPage, Page, Paginator
from django.db import connection
from django.db.models import BooleanField, Count, F, Func, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import DropdownFilter, RangeDateFilter
from unfold.decorators import display
from unfold.views import ChangeList

from oms.common.models import QUEUE_COLUMNS, Ticket, WorkItem
from oms.common.templatetags.staff import badge, state_badge

OLDER, NEWER = "older", "newer"
# Columns that only the machinery reads.
_INTERNAL = frozenset({"id", "lease_until", "lease_token", "moved_from", "address_key", "token_hash"})
# Columns of a row's place in its queue; they come after what the row is about.
_LAST = QUEUE_COLUMNS | {"assigned_to", "version", "expected_event", "next_event_due"}
COUNT_CAP = 1_000
# Up to this many rows, by PostgreSQL's own estimate, a whole table is counted out.
SMALL_TABLE = 10_000


def staff_actor_name(request: HttpRequest) -> str:
    """The name under which the timeline remembers the person who is logged in."""
    return request.user.get_username()


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


def count_label(rows: QuerySet[Any]) -> str:
    """How many rows there are, in words: estimated for a whole big table, counted up to a cap otherwise."""
    if not rows.query.where:
        return _table_label(rows.model)
    found = capped_count(rows, COUNT_CAP)
    if found > COUNT_CAP:
        return _("more than %(count)s") % {"count": number_format(COUNT_CAP, force_grouping=True)}
    return number_format(found, force_grouping=True)


def capped_count(rows: QuerySet[Any], cap: int) -> int:
    """The number of rows, but never more than `cap` + 1."""
    return rows.order_by()[: cap + 1].count()


def _table_label(model: type[Model]) -> str:
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT reltuples::bigint, CASE WHEN reltuples < %(small)s THEN
                (SELECT count(*) FROM (SELECT FROM {table} LIMIT %(small)s + 1) AS counted) END
            FROM pg_class WHERE oid = to_regclass(%(table)s)
            """,
            {"small": SMALL_TABLE, "table": table},
        )
        estimate, counted = cursor.fetchone()
    if counted is None:
        return _("about %(count)s") % {"count": number_format(rounded(estimate), force_grouping=True)}
    if counted > SMALL_TABLE:
        return _("more than %(count)s") % {"count": number_format(SMALL_TABLE, force_grouping=True)}
    return number_format(counted, force_grouping=True)


def rounded(number: int) -> int:
    """The number with three significant digits: an estimate should look like one."""
    unit = 10 ** max(len(str(number)) - 3, 0)
    return round(number / unit) * unit


def first_id_since(model: type[Model], column: str, moment: datetime) -> int:
    """The smallest id from which on no row is older than an hour before `moment`, for a table that grows by time.

    The column needs no index: ids and times grow together (but for transactions that overtake each other, hence the
    hour), so the place is found by bisection along the primary key, in one statement.
    """
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH RECURSIVE bisect(low, high) AS (
                SELECT min(id), max(id) + 1 FROM {table}
              UNION ALL
                SELECT CASE WHEN probe.id < high AND probe.at < %(moment)s THEN probe.id + 1 ELSE low END,
                    CASE WHEN probe.id < high AND probe.at < %(moment)s THEN high ELSE (low + high) / 2 END
                FROM bisect LEFT JOIN LATERAL (
                    SELECT id, {column} AS at FROM {table} WHERE id >= (low + high) / 2 ORDER BY id LIMIT 1
                ) AS probe ON true
                WHERE low < high
            )
            SELECT low FROM bisect WHERE low >= high
            """,
            {"moment": moment - timedelta(hours=1)},
        )
        found = cursor.fetchone()
    return found[0] if found else 0


class KeysetAdmin(ModelAdmin):
    """A list and a page of a model that services write: read-only unless a subclass opens it.

    `search_fields` are looked up by equality, each for itself, so that every one can use its
    index; while somebody types into a field that offers rows of the list, by their beginning. Lists are never ordered
    by a clicked column, counted out, or acted upon beyond the page.
    """

    keyset: ClassVar[Sequence[str]] = ("-id",)
    may_add: ClassVar[bool] = False
    may_change: ClassVar[bool] = False
    may_delete: ClassVar[bool] = False
    # Columns of codes and values, each with the method that shows it in words.
    shown_by: ClassVar[Mapping[str, str]] = {}

    paginator = PagingByKey
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    sortable_by = ()
    list_per_page = 50
    list_fullwidth = True
    list_filter_submit = True
    list_disable_select_all = True

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[DjangoChangeList]:
        """Lists page by key."""
        return KeysetChangeList

    def get_ordering(self, request: HttpRequest) -> Sequence[str]:
        """The list's order."""
        return self.get_keyset(request)

    def get_keyset(self, request: HttpRequest) -> Sequence[str]:
        """The fields of the list's order; a subclass may choose them by the filters that are set."""
        return self.keyset

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """A place to read, in one statement each, what the rows of a page show besides their own columns."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Rows of which a field of `search_fields` equals the term, or begins with it where a field offers choices."""
        term = search_term.strip()
        if not (term and self.search_fields):
            return queryset, False
        model = self.model._default_manager
        is_choice = request.resolver_match is not None and request.resolver_match.url_name == "autocomplete"
        lookups = [f"{field}__startswith" if is_choice else field for field in self.search_fields]
        found = [model.filter(**{lookup: term}).order_by().values("pk")[:COUNT_CAP] for lookup in lookups]
        return queryset.filter(pk__in=united(found)), False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[Any]:
        """On pages that are only read: every column of the row, two to a line; form fields elsewhere."""
        if self.fields or self.may_change:
            return super().get_fields(request, obj)
        names = self._columns()
        return [tuple(names[i : i + 2]) for i in range(0, len(names), 2)]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        """On pages that are only read: all columns, those that no form may write too."""
        if self.readonly_fields or self.may_change:
            return super().get_readonly_fields(request, obj)
        return self._columns()

    def _columns(self) -> list[str]:
        names = [field.name for field in self.model._meta.concrete_fields if field.name not in _INTERNAL]
        return [self.shown_by.get(name, name) for name in sorted(names, key=lambda name: name in _LAST)]

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Actions act on the rows ticked on the page, never on "all": nobody can look those over."""
        posted = request.POST.copy()
        posted["select_across"] = "0"
        request.POST = posted  # type: ignore[assignment, misc]
        return super().response_action(request, queryset)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only where the subclass opens it."""
        return self.may_add and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only where the subclass opens it."""
        return self.may_change and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only where the subclass opens it."""
        return self.may_delete and super().has_delete_permission(request, obj)


def united(found: Iterable[QuerySet[Any]]) -> set[Any]:
    """The single values that any of the querysets yields, read in one statement."""
    first, *others = found
    rows = first.union(*others, all=True) if others else first
    return {value for row in rows for value in (row.values() if isinstance(row, dict) else [row])}


def one_of(ids: QuerySet[Any]) -> Func:
    """A condition for rows whose id the queryset yields; the ids are read first.

    With `id IN (SELECT …)` PostgreSQL expects the ids to lie all over the table and walks it from its end; those of a
    queue often lie together at the other.
    """
    return Func(
        F("pk"), ArraySubquery(ids), template="%(expressions)s)", arg_joiner=" = ANY(", output_field=BooleanField()
    )


class YesFilter(DropdownFilter):
    """A filter that is on or off; `condition` (a static method) says what it lets through."""

    condition: Callable[[QuerySet[Any]], QuerySet[Any]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """On is the one choice beside "all"."""
        return [("1", gettext_lazy("Yes"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows of the condition, if the filter is on."""
        return self.condition(queryset) if self.value() == "1" else queryset


class DayRangeFilter(RangeDateFilter):
    """From one day to another, both included, on a column that grows with the id (see `first_id_since`)."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows of these days; what is not a day is left out."""
        name = self.parameter_name
        start, end = (_day(self.used_parameters.get(f"{name}_{side}")) for side in ("from", "to"))
        if start:
            moment = _midnight(start)
            queryset = queryset.filter(
                **{f"{name}__gte": moment, "pk__gte": first_id_since(queryset.model, self.field.column, moment)}
            )
        if end:
            moment = _midnight(end + timedelta(days=1))
            above = first_id_since(queryset.model, self.field.column, moment + timedelta(hours=2))
            queryset = queryset.filter(**{f"{name}__lt": moment, "pk__lt": above})
        return queryset


def _day(value: object) -> date | None:
    try:
        return forms.DateField(required=False).clean(value)
    except forms.ValidationError:
        return None


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


class RowColumns:
    """Columns that many lists share; mix it into a KeysetAdmin."""

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """How many tickets wait on each row, where there can be any. One statement."""
        super().prepare_rows(request, rows)  # type: ignore[misc]
        if rows and isinstance(rows[0], WorkItem):
            of_rows = _tickets_on(type(rows[0])).filter(subject_id__in=[row.pk for row in rows])
            counts = dict(of_rows.values_list("subject_id").annotate(Count("id")))
            for row in rows:
                row.waiting_tickets = counts.get(row.pk, 0)

    @display(description=gettext_lazy("state"))
    def state_label(self, row: Any) -> SafeString:
        """The state in its colour, and how many tickets wait."""
        label = state_badge(row)
        count = getattr(row, "waiting_tickets", 0)
        if count:
            return format_html("{} {}", label, badge(tickets_label(count), "danger", "assignment_late"))
        return label

    @display(description=gettext_lazy("order"))
    def order_link(self, row: Any) -> SafeString | str:
        """A link to the order that the row belongs to, if to any."""
        order = row.order if hasattr(row, "order") else row.sub_order.order
        if order is None:
            return "–"
        return format_html(
            '<a class="oms-no" href="{}">{}</a>', reverse("admin:orders_order_change", args=[order.pk]), order.number
        )

    @display(description=gettext_lazy("last error"))
    def error_text(self, row: Any) -> str:
        """What went wrong last, shortened."""
        return Truncator(row.last_error).chars(60)


def tickets_label(count: int) -> str:
    """So many tickets, in words."""
    return ngettext("one ticket", "%(count)s tickets", count) % {"count": count}


def _tickets_on(model: type[WorkItem]) -> QuerySet[Ticket]:
    """Tickets about rows of the model that wait for a person."""
    return Ticket.objects.waiting().filter(subject_kind=model.ticket_subject.kind).order_by()


def _with_tickets(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.filter(one_of(_tickets_on(rows.model).values("subject_id")))


class NeedsPersonFilter(YesFilter):
    """Rows with a ticket that waits for a person."""

    title = gettext_lazy("open tickets")
    parameter_name = "tickets"
    condition = staticmethod(_with_tickets)
