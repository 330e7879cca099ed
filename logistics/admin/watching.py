"""The staff's pages of what is late together, and of the deadlines by which it is."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from logistics.admin import carrier_report
from logistics.admin.claims import WORK, LateForm, claim_late
from logistics.carriers import urging as urging_there
from logistics.models import (
    AlertGroup,
    AlertKind,
    AlertReceiver,
    AlertTelling,
    DeadlineRule,
    DeadlineStretch,
    ErrandOutcome,
    LearnedDeadline,
    LogisticsAlert,
    ShipRule,
    Urging,
)
from logistics.watching import limits, urging
from logistics.watching.grouping import LATE, SUBJECT
from logistics.watching.limits import Lane
from oms.common.codebook import ACTORS
from oms.common.desk.acting import INPUT, RowAction, RowActions
from oms.common.desk.lists import KeysetAdmin, NeedsPersonFilter, RowColumns
from oms.common.models import Connection, SystemKind, Ticket
from oms.common.templatetags.staff import badge, when

LEVEL_TONES = {1: "warning", 2: "danger", 3: "danger"}
URGE = "logistics.urge_alertgroup"
# So many rows of a group its page shows; the list of alerts has all.
MOST_ROWS = 200


class UrgeForm(forms.Form):
    """How somebody was urged, and what was said."""

    means = forms.ChoiceField(
        label=gettext_lazy("how"),
        choices=[(one, Urging.Means(one).label) for one in ("phone", "message")],
        widget=forms.Select(attrs=INPUT),
    )
    text = forms.CharField(
        label=gettext_lazy("what was said"), max_length=500, required=False, widget=forms.TextInput(attrs=INPUT)
    )


class EscalateForm(forms.Form):
    """Why it is raised."""

    text = forms.CharField(label=gettext_lazy("why"), max_length=500, widget=forms.TextInput(attrs=INPUT))


def _urge(request: HttpRequest, key: int, data: dict[str, Any]) -> str:
    done = urging.urge(key, means=data["means"], text=data["text"], user=request.user)  # type: ignore[arg-type]
    if done.phone:
        return _("Recorded. The carrier's service is rung at %(phone)s.") % {"phone": done.phone}
    return _("Recorded.")


def _urge_over_connection(request: HttpRequest, key: int, data: dict[str, Any]) -> str:
    asked = urging.urge_over_connection(key, user=request.user).count  # type: ignore[arg-type]
    return ngettext(
        "The carrier is asked to hurry %(count)d parcel on.",
        "The carrier is asked to hurry %(count)d parcels on.",
        asked,
    ) % {"count": asked}


def _escalate(request: HttpRequest, key: int, data: dict[str, Any]) -> str:
    urging.escalate(key, text=data["text"], user=request.user)  # type: ignore[arg-type]
    return _("It is raised to the highest level.")


class OpenGroupFilter(DropdownFilter):
    """Open groups unless closed ones are asked for."""

    title = gettext_lazy("which ones")
    parameter_name = "which"
    all_option = ["", gettext_lazy("Open ones")]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """What else can be asked for."""
        return [("closed", gettext_lazy("Closed ones"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Open or closed groups."""
        return queryset.filter(closed_at__isnull=self.value() != "closed")


@admin.register(AlertGroup)
class AlertGroupAdmin(RowActions):
    """What is late for one cause: the gravest first. Its parcels stand on its page, its ticket says who works on it."""

    change_list_template = "admin/logistics/alertgroup_list.html"
    keyset = ("-level", "since", "id")
    list_display = ("level_label", "kind", "carrier", "warehouse", "place", "open_count", "since", "ticket_link")
    list_display_links = ("kind",)
    list_select_related = ("carrier", "warehouse")
    list_filter = (
        OpenGroupFilter,
        ("kind", ChoicesDropdownFilter),
        ("carrier", RelatedDropdownFilter),
        ("warehouse", RelatedDropdownFilter),
    )
    fields = readonly_fields = (
        *("level_label", "kind", "carrier", "service_phone", "warehouse", "place", "open_count", "since"),
        *("closed_at", "closed_words", "ticket_link", "urgings_table", "answers_words", "alerts_table"),
    )
    row_actions = (
        RowAction(
            "urge_there",
            URGE,
            gettext_lazy("Urge over the connection"),
            _urge_over_connection,
            tone="primary",
            icon="bolt",
        ),
        RowAction("urge", URGE, gettext_lazy("Urge on"), _urge, UrgeForm, "primary", "campaign"),
        RowAction("escalate", URGE, gettext_lazy("Raise"), _escalate, EscalateForm, icon="priority_high"),
        RowAction("claim", WORK, gettext_lazy("Open claims"), claim_late, LateForm, icon="gavel"),
    )

    def get_urls(self) -> list[URLPattern]:
        """The report of carriers before the rows."""
        wrapped = self.admin_site.admin_view(self.report_view)
        return [path("carriers/", wrapped, name="logistics_carrier_report"), *super().get_urls()]

    def report_view(self, request: HttpRequest) -> HttpResponse:
        """How carriers keep their word."""
        return carrier_report.view(request, self.admin_site.each_context(request))

    def fitting_actions(self, row: Any) -> Any:
        """Only while something of it is late; claims are made of carriers, and who takes it over a connection is
        urged there."""
        if row.closed_at is not None:
            return ()
        fits = {"claim": row.carrier_id is not None, "urge_there": urging_there.can_be_asked(row.pk)}
        return [name for name in super().fitting_actions(row) if fits.get(name, True)]

    def prepare_rows(self, request: HttpRequest, rows: Any) -> None:
        """The tickets of the rows. One statement."""
        found = dict(
            Ticket.objects.filter(kind=LATE.code, subject_kind=SUBJECT, subject_id__in=[row.pk for row in rows])
            .order_by("id")
            .values_list("subject_id", "id")
        )
        for row in rows:
            row.ticket_id = found.get(row.pk)

    @display(description=gettext_lazy("level"))
    def level_label(self, group: AlertGroup) -> str:
        """The level in its colour."""
        label = str(LogisticsAlert.Level(group.level).label)
        return badge(label, LEVEL_TONES.get(group.level, "muted"), "notification_important")

    @display(description=gettext_lazy("phone of its service"))
    def service_phone(self, group: AlertGroup) -> str:
        """Who can be rung."""
        return (group.carrier.service_phone if group.carrier else "") or "–"

    @display(description=gettext_lazy("closed by"))
    def closed_words(self, group: AlertGroup) -> str:
        """Who or what ended it."""
        return ACTORS.word(group.closed_by) or "–"

    @display(description=gettext_lazy("ticket"))
    def ticket_link(self, group: AlertGroup) -> SafeString | str:
        """Where it is assigned, noted, put off and closed."""
        if not hasattr(group, "ticket_id"):
            self.prepare_rows(None, [group])  # type: ignore[arg-type]
        if group.ticket_id is None:  # type: ignore[attr-defined]
            return "–"
        address = reverse("admin:common_ticket_change", args=[group.ticket_id])  # type: ignore[attr-defined]
        return format_html('<a class="oms-no" href="{}">#{}</a>', address, group.ticket_id)  # type: ignore[attr-defined]

    @display(description=gettext_lazy("urgings"))
    def urgings_table(self, group: AlertGroup) -> SafeString | str:
        """Who urged whom, when and how."""
        rows = [
            (when(one.at, "short"), one.get_means_display(), one.phone, one.by, one.text)
            for one in group.urgings.all()[:20]
        ]
        return format_html_join("", "<p>{} · {} {} · {} · {}</p>", rows) or "–"

    @display(description=gettext_lazy("answered over the connection"))
    def answers_words(self, group: AlertGroup) -> str:
        """What became of asking the carriers to hurry on what is late now."""
        words = {**dict(ErrandOutcome.choices), "": _("not answered yet")}
        return ", ".join(f"{words[code]}: {count}" for code, count in urging_there.answers(group.pk).items()) or "–"

    @display(description=gettext_lazy("what is late"))
    def alerts_table(self, group: AlertGroup) -> SafeString | str:
        """Its parcels, warehouse orders or sub-orders as rows, the open ones first."""
        found = (
            group.alerts.select_related("sub_order", "shipment", "warehouse_order")
            .order_by("closed_at", "since", "id")
            .reverse()[:MOST_ROWS]
        )
        rows = [
            (
                reverse("admin:orders_order_change", args=[alert.sub_order.order_id]),
                str(alert.shipment or alert.warehouse_order or alert.sub_order),
                when(alert.since, "short"),
                when(alert.due_at, "short"),
                alert.get_level_display() if alert.closed_at is None else _("closed"),
            )
            for alert in found
        ]
        body = format_html_join(
            "", '<tr><td><a class="oms-no" href="{}">{}</a></td><td>{}</td><td>{}</td><td>{}</td></tr>', rows
        )
        return format_html(
            '<div class="oms-scroll"><table class="oms-table"><thead><tr><th>{}</th><th>{}</th><th>{}</th><th>{}</th>'
            "</tr></thead><tbody>{}</tbody></table></div>",
            *(_("number"), _("waits since"), _("was due at"), _("state"), body),
        )


@admin.register(AlertReceiver)
class AlertReceiverAdmin(KeysetAdmin):
    """Who is told of what is late; addresses and secrets are those of the connection."""

    may_add = may_change = may_delete = True
    keyset = ("id",)
    list_display = ("connection", "min_level", "quiet_from", "quiet_until", "language", "is_active")
    list_select_related = ("connection",)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Only connections of robots, mailboxes and the like, but for those of merchants."""
        if db_field.name == "connection":
            kwargs["queryset"] = Connection.objects.filter(kind=SystemKind.ROBOT, merchant_receiver=None)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


@admin.register(AlertTelling)
class AlertTellingAdmin(RowColumns, KeysetAdmin):
    """What was told to whom, and what waits or failed."""

    list_display = ("connection", "group", "level", "written_at", "sent_at", "attempts", "error_text")
    list_select_related = ("connection", "group__carrier", "group__warehouse")
    list_filter = (NeedsPersonFilter,)


@admin.register(DeadlineRule)
class DeadlineRuleAdmin(KeysetAdmin):
    """After how many hours each step is late, by carrier."""

    may_add = may_change = may_delete = True
    keyset = ("kind", "carrier", "id")
    list_display = ("kind", "carrier", "warning_hours", "exception_hours", "critical_hours", "province_hours", "note")
    list_filter = (("kind", ChoicesDropdownFilter),)


@admin.register(ShipRule)
class ShipRuleAdmin(KeysetAdmin):
    """Within how many hours of its payment an order leaves, by channel, and what a late one costs."""

    may_add = may_change = may_delete = True
    keyset = ("id",)
    list_display = ("__str__", "channel", "hours", "late_percent", "late_least", "late_most", "note")
    list_select_related = ("channel",)


@admin.register(DeadlineStretch)
class DeadlineStretchAdmin(KeysetAdmin):
    """Where, and on which days, everything may take longer."""

    may_add = may_change = may_delete = True
    keyset = ("area", "id")
    list_display = ("__str__", "area", "starts_on", "ends_on", "factor", "note")


@admin.register(LearnedDeadline)
class LearnedDeadlineAdmin(KeysetAdmin):
    """What past scans taught, beside what the table says; which of the two counts, and how much of it."""

    keyset = ("carrier", "origin", "destination", "kind", "id")
    list_display = ("kind", "carrier", "origin", "destination", "hours", "counts", "parcels", "learned_at")
    list_filter = (("kind", ChoicesDropdownFilter),)
    search_fields = ("carrier",)
    search_help_text = gettext_lazy("Carrier's code")

    @display(description=gettext_lazy("counts (h)"))
    def counts(self, row: LearnedDeadline) -> str:
        """The hours that count: what was learned, but never under half nor over double the table's."""
        known, kind, lane = limits.current(), AlertKind(row.kind), Lane(row.carrier, row.origin, row.destination)
        return f"{known.of(kind, lane).warning * known.usual_factor(kind, lane):.1f}"
