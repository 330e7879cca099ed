"""What the staff's pages have in common: lists that stay fast on big tables, exact search, and no accidental edits.

A list pages by key, never by OFFSET; its size is estimated or counted up to a cap, never counted out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib.admin import ShowFacets
from django.contrib.admin.utils import label_for_field
from django.contrib.admin.views.main import ChangeList as DjangoChangeList
from django.contrib.postgres.expressions import ArraySubquery
from django.db import IntegrityError
from django.db.models import BooleanField, Count, F, Func, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import DropdownFilter, RangeDateFilter
from unfold.decorators import display

from oms.common.desk import saving
from oms.common.desk.counting import COUNT_CAP, first_id_since
from oms.common.desk.keyset import SORT, KeysetChangeList, PagingByKey
from oms.common.desk.list_choices import INTERNAL, LAST, more_columns, sort_words, sorts_of
from oms.common.errors import OmsError
from oms.common.models import SavedView, Ticket, WorkItem
from oms.common.templatetags.staff import badge, state_badge

# Where a request keeps why its form could not be saved.
_REFUSED = "oms_saving_refused"

# Filters that apps add to the staff's lists of a model, by its label.
ADDED_FILTERS: dict[str, Any] = {}


def staff_actor_name(request: HttpRequest) -> str:
    """The name under which the timeline remembers the person who is logged in."""
    return request.user.get_username()


# So many views are shown beside a list, of a person and of teams each.
MOST_VIEWS = 30


def page_of(model_admin: Any) -> str:
    """The name under which people keep what they chose for a list."""
    opts = model_admin.opts
    return f"{opts.app_label}_{opts.model_name}"


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

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        """The list's columns, or those that the person chose of the offered ones."""
        names = list(super().get_list_display(request))
        chosen = self._chosen_columns(request)
        if not chosen:
            return names
        fixed = {names[0], *self.list_editable}
        return [name for name in (*names, *more_columns(self, names)) if name in fixed or name in chosen]

    def offered_columns(self, request: HttpRequest) -> list[dict[str, Any]]:
        """What may be chosen: the list's own columns, and dates, numbers and codes of its rows. Each with its name, its
        words, whether it is shown, and whether it must be. None where a list has rows of its own kind."""
        names = list(super().get_list_display(request))
        if len(names) < 2 or not all(isinstance(name, str) for name in names):
            return []
        shown, fixed = set(self.get_list_display(request)), {names[0], *self.list_editable}
        return [
            {
                "name": name,
                "text": capfirst(str(label_for_field(name, self.model, self))),
                "is_shown": name in shown,
                "is_fixed": name in fixed,
            }
            for name in (*names, *more_columns(self, names))
        ]

    def kept_views(self, request: HttpRequest) -> Sequence[SavedView]:
        """What the person and, on the staff's site, teams keep for the list. One statement a request; none for who is
        not logged in. Teams are of the staff: on the merchants' site everybody has but their own."""
        kept: dict[str, list[SavedView]] = request.__dict__.setdefault("_oms_kept_views", {})
        page = page_of(self)
        if page not in kept:
            of_teams = ~Q(team="") if self.admin_site.name == "admin" else Q()
            opened = Q(owner=request.user.pk) | of_teams if of_teams else Q(owner=request.user.pk)
            rows = SavedView.objects.filter(opened, page=page).order_by("team", "title")
            kept[page] = list(rows[: 2 * MOST_VIEWS + 1]) if request.user.pk else []
        return kept[page]

    def _chosen_columns(self, request: HttpRequest) -> set[str]:
        return {name for row in self.kept_views(request) if not row.title for name in row.columns}

    def get_list_display_links(self, request: HttpRequest, list_display: Sequence[Any]) -> Sequence[Any] | None:
        """The first column leads to the row, unless it is a link to something else: there are no links within links."""
        chosen = super().get_list_display_links(request, list_display)
        if not chosen or not str(chosen[0]).endswith("_link"):
            return chosen
        return [name for name in list_display if not str(name).endswith("_link")][:1] or chosen

    def get_list_filter(self, request: HttpRequest) -> Sequence[Any]:
        """With those that apps add to the staff's lists."""
        added = ADDED_FILTERS.get(self.model._meta.label_lower) if self.admin_site.name == "admin" else None
        return [*super().get_list_filter(request), *([added] if added else [])]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The row's form. What only saving can refuse did nothing, and is said above what was typed."""
        shown = super().changeform_view
        try:
            return shown(request, object_id, form_url, extra_context)
        except (IntegrityError, OmsError) as error:
            refusal = saving.refusal_of(error, self.model)
            if refusal is None or request.method != "POST":
                raise
        setattr(request, _REFUSED, refusal)
        return shown(request, object_id, form_url, extra_context)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The form's class; one whose saving was refused says why."""
        form = super().get_form(request, obj, change=change, **kwargs)
        refusal = getattr(request, _REFUSED, None)
        return saving.refusing(form, refusal) if refusal else form

    def get_ordering(self, request: HttpRequest) -> Sequence[str]:
        """The list's order."""
        return self.get_keyset(request)

    def get_keyset(self, request: HttpRequest) -> Sequence[str]:
        """The fields of the list's order: the one that was asked for, where it is one of the list's. A subclass may
        choose them by the filters that are set."""
        return sorts_of(self).get(request.GET.get(SORT, ""), self.keyset)

    def offered_sorts(self, request: HttpRequest) -> list[dict[str, Any]]:
        """The orders that may be asked for, the list's own first: each with its name, its words, and whether it is
        chosen. Empty where there is but one, or where the list chooses by itself."""
        if type(self).get_keyset is not KeysetAdmin.get_keyset or not (found := sorts_of(self)):
            return []
        chosen = request.GET.get(SORT, "")
        return [
            {
                "name": name,
                "text": sort_words(self, name),
                "is_chosen": name == chosen or (not name and chosen not in found),
            }
            for name in ("", *found)
        ]

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
        names = [field.name for field in self.model._meta.concrete_fields if field.name not in INTERNAL]
        return [self.shown_by.get(name, name) for name in sorted(names, key=lambda name: name in LAST)]

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


class MomentDayFilter(RangeDateFilter):
    """From one day to another, both included, on a column of moments."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows of these days; what is not a day is left out."""
        start, end = self.moments()
        if start:
            queryset = queryset.filter(**{f"{self.parameter_name}__gte": start})
        return queryset.filter(**{f"{self.parameter_name}__lt": end}) if end else queryset

    def moments(self) -> tuple[datetime | None, datetime | None]:
        """From when, and until before when; None where no day was given."""
        name = self.parameter_name
        start, end = (_day(self.used_parameters.get(f"{name}_{side}")) for side in ("from", "to"))
        return midnight(start) if start else None, midnight(end + timedelta(days=1)) if end else None


class DayRangeFilter(MomentDayFilter):
    """The same on a column that grows with the id (see `first_id_since`)."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows of these days, found by the ids between which they lie."""
        start, end = self.moments()
        if start:
            queryset = queryset.filter(pk__gte=first_id_since(queryset.model, self.field.column, start))
        if end:
            above = first_id_since(queryset.model, self.field.column, end + timedelta(hours=2))
            queryset = queryset.filter(pk__lt=above)
        return super().queryset(request, queryset)


def _day(value: object) -> date | None:
    try:
        return forms.DateField(required=False).clean(value)
    except forms.ValidationError:
        return None


def midnight(day: date) -> datetime:
    """When the day begins for the reader."""
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
        of_part = (
            row if hasattr(row, "order") else row.sub_order if hasattr(row, "sub_order") else row.shipment.sub_order
        )
        order = of_part.order
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
