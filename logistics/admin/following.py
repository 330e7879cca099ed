"""The staff's pages on carriers' accounts: how they are used, what they are asked, and what their words mean."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext_lazy, ngettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from logistics.admin.carriers import protocol_field
from logistics.carriers import tracking
from logistics.carriers.trouble import SCAN_WORD_UNKNOWN
from logistics.models import (
    AccountSettings,
    CarrierCode,
    Polling,
    ScanWord,
    WaybillBalance,
    WaybillErrand,
)
from oms.common import tickets
from oms.common.desk.lists import KeysetAdmin, NeedsPersonFilter, RowColumns, YesFilter, staff_actor_name
from oms.common.models import TicketResult


@admin.register(AccountSettings)
class AccountSettingsAdmin(KeysetAdmin):
    """How often each account may be asked, after which silence, and with how few waybills a person is told."""

    may_change = True
    keyset = ("connection_id",)
    list_display = (
        *("connection", "subscribes", "polls", "silent_minutes", "calls_a_minute", "calls_a_day", "calls_of_day"),
        *("tries_of_unknown", "least_waybills", "balances"),
    )
    list_select_related = ("connection",)
    fields = (
        "connection",
        ("subscribes", "polls"),
        ("silent_minutes", "tries_of_unknown"),
        ("calls_a_minute", "calls_a_day"),
        "least_waybills",
        ("day", "calls_of_day"),
        "balances",
    )
    readonly_fields = ("connection", "day", "calls_of_day", "balances")

    def prepare_rows(self, request: HttpRequest, rows: Sequence[AccountSettings]) -> None:
        """The balances of all accounts of the page, in one statement."""
        self._read_balances(rows)

    @staticmethod
    def _read_balances(rows: Sequence[AccountSettings]) -> None:
        told: dict[int, list[str]] = {}
        counted = WaybillBalance.objects.filter(connection__in=[row.pk for row in rows], left__isnull=False)
        for key, name, left in counted.values_list("connection_id", "carrier__name", "left").order_by("left", "id"):
            told.setdefault(key, []).append(f"{name} {left}")
        for row in rows:
            row.told_balances = ", ".join(told.get(row.pk, ())) or "–"  # type: ignore[attr-defined]

    @display(description=gettext_lazy("waybills left"))
    def balances(self, row: AccountSettings) -> str:
        """How many waybills of each carrier are left, the fewest first."""
        if not hasattr(row, "told_balances"):
            self._read_balances([row])
        return str(row.told_balances)  # type: ignore[attr-defined]


class OpenFilter(YesFilter):
    """Parcels that are still followed."""

    title = gettext_lazy("still followed")
    parameter_name = "open"
    condition = staticmethod(lambda rows: rows.filter(is_over=False))


@admin.register(Polling)
class PollingAdmin(RowColumns, KeysetAdmin):
    """Parcels that accounts are asked about: silent since when, asked when, and when next."""

    search_fields = ("shipment__waybill_number", "shipment__number")
    search_help_text = gettext_lazy("Waybill or shipment number")
    list_display = (
        *("shipment", "connection", "subscribed_at", "silent_since", "asked_at", "ask_at", "asked", "nothing_known"),
        *("is_over", "error_text"),
    )
    list_select_related = ("shipment", "connection")
    list_filter = (OpenFilter, ("connection", RelatedDropdownFilter), NeedsPersonFilter)


@admin.register(WaybillErrand)
class WaybillErrandAdmin(RowColumns, KeysetAdmin):
    """What accounts were asked once about waybills, and what they answered."""

    search_fields = ("waybill", "reference")
    search_help_text = gettext_lazy("Waybill or shipment number")
    list_display = (
        *("shipment", "kind", "waybill", "carrier", "connection", "outcome", "answer", "created_at", "answered_at"),
        "error_text",
    )
    list_select_related = ("shipment", "carrier", "connection")
    list_filter = (
        ("kind", ChoicesDropdownFilter),
        ("outcome", ChoicesDropdownFilter),
        ("connection", RelatedDropdownFilter),
        NeedsPersonFilter,
    )


@admin.register(WaybillBalance)
class WaybillBalanceAdmin(RowColumns, KeysetAdmin):
    """How many waybills each account has left by carrier, and when it was asked."""

    list_display = ("connection", "carrier", "left", "answered_at", "ask_at", "error_text")
    list_select_related = ("connection", "carrier")
    list_filter = (("connection", RelatedDropdownFilter),)


@admin.register(CarrierCode)
class CarrierCodeAdmin(KeysetAdmin):
    """What protocols and platforms call our carriers, where it is not our own code."""

    may_add = may_change = may_delete = True
    keyset = ("protocol", "code", "id")
    list_display = ("protocol", "code", "carrier")
    list_select_related = ("carrier",)
    search_fields = ("code", "carrier__code")
    search_help_text = gettext_lazy("Code of theirs or ours")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Only protocols that name carriers."""
        if db_field.name == "protocol":
            return protocol_field()
        return super().formfield_for_dbfield(db_field, request, **kwargs)


class NewWordFilter(YesFilter):
    """Codes of which nobody said yet what they mean."""

    title = gettext_lazy("new ones")
    parameter_name = "new"
    condition = staticmethod(lambda rows: rows.filter(is_new=True))


@admin.register(ScanWord)
class ScanWordAdmin(KeysetAdmin):
    """What carriers' codes mean, what is shown for them, and whether buyers see such scans."""

    may_add = may_change = may_delete = True
    keyset = ("protocol", "code", "id")
    list_display = (
        "protocol",
        "code",
        "told",
        "state",
        "stop",
        "shown_zh",
        "shown_en",
        "is_kept",
        "for_buyer",
        "is_new",
    )
    list_display_links = ("code",)
    list_filter = (NewWordFilter, ("state", ChoicesDropdownFilter))
    search_fields = ("code", "told")
    search_help_text = gettext_lazy("Code or carrier's text")
    fields = (("protocol", "code"), "told", ("state", "stop"), ("shown_zh", "shown_en"), ("is_kept", "for_buyer"))
    actions: ClassVar[Sequence[str]] = ()

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Only protocols that carriers speak."""
        if db_field.name == "protocol":
            return protocol_field()
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        """What a word is of stays."""
        return ("protocol", "code") if obj else ()

    def save_model(self, request: HttpRequest, obj: ScanWord, form: Any, change: bool) -> None:
        """Somebody said what it means: scans that were kept with it say so from now on."""
        obj.is_new = False
        super().save_model(request, obj, form, change)
        moved = tracking.mean(obj.protocol, obj.code, obj.state, obj.stop) if obj.state else 0
        tickets.close_tickets(
            [SCAN_WORD_UNKNOWN], [obj.pk], result=TicketResult.DONE, closed_by=staff_actor_name(request)
        )
        if moved:
            text = ngettext("One parcel was moved by it.", "%(count)s parcels were moved by it.", moved)
            messages.success(request, text % {"count": moved})
