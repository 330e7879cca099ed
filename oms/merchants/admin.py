"""The staff's pages of this app."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from oms.common.desk.lists import KeysetAdmin, NeedsPersonFilter, RowColumns
from oms.common.models import Connection, SystemKind
from oms.merchants import sandbox_lists  # noqa: F401 - adds a filter to staff's lists
from oms.merchants.calls import scopes
from oms.merchants.calls.pages import CredentialPages
from oms.merchants.joining.pages import StandingPages
from oms.merchants.models import (
    ApiCredential,
    Channel,
    LegalEntity,
    Merchant,
    MerchantReceiver,
    MerchantTelling,
    MerchantUser,
    NewsKind,
)
from oms.merchants.webhooks import admin as webhook_admin  # noqa: F401 - registers its pages


@admin.register(Merchant)
class MerchantAdmin(StandingPages):
    """Merchants are opened and changed here; their code stays, and their status has its own actions."""

    may_add = may_change = True
    keyset = ("code", "id")
    search_fields = ("code", "name")
    list_display = ("code", "name", "kind", "status_label", "settlement_days", "commission_rate", "opens_channels")
    list_filter = (("kind", ChoicesDropdownFilter), ("status", ChoicesDropdownFilter))
    readonly_fields = ("created_at",)

    def get_readonly_fields(self, request: HttpRequest, obj: Merchant | None = None) -> tuple[str, ...]:
        """Others refer to a merchant by its code: it never changes."""
        return (*self.readonly_fields, "code", "status_label", "history_list") if obj else ()

    def get_exclude(self, request: HttpRequest, obj: Merchant | None = None) -> tuple[str, ...]:
        """The status changes with a reason only."""
        return ("status",) if obj else ()


@admin.register(LegalEntity)
class LegalEntityAdmin(KeysetAdmin):
    """The companies in whose name invoices are issued, with their limits, rates and classes."""

    may_add = may_change = True
    keyset = ("code",)
    search_fields = ("code", "tax_number")
    search_help_text = gettext_lazy("Code or tax number")
    list_display = ("code", "name", "tax_number", "connection", "issue_when", "gift_cards", "deducts_input_tax")
    list_select_related = ("connection",)
    fields = (
        ("code", "name"),
        ("tax_number", "clerk"),
        ("address", "phone"),
        ("bank_name", "bank_account"),
        ("email", "deducts_input_tax"),
        "connection",
        ("issue_when", "gift_cards"),
        ("most_lines", "most_amount"),
        "shows_gifts",
        ("goods_tax_code", "goods_tax_name"),
        ("goods_tax_rate", "goods_tax_mark"),
        ("freight_tax_code", "freight_tax_name"),
        ("freight_tax_rate", "freight_tax_mark"),
        ("service_tax_code", "service_tax_name"),
        ("service_tax_rate", "service_tax_mark"),
        ("card_tax_code", "card_tax_name"),
        ("card_tax_rate", "card_tax_mark"),
    )

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Only invoice services are offered."""
        if db_field.name == "connection":
            kwargs["queryset"] = Connection.objects.filter(kind=SystemKind.INVOICE)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


@admin.register(MerchantUser)
class MerchantUserAdmin(KeysetAdmin):
    """Which people belong to which merchant; mostly made by the merchant itself, or here from a user that exists."""

    may_add = may_delete = True
    list_display = ("user", "merchant", "created_at")
    list_select_related = ("user", "merchant")
    list_filter = (("merchant", RelatedDropdownFilter),)

    def get_fields(self, request: HttpRequest, obj: MerchantUser | None = None) -> tuple[str, ...]:
        """Who, and whose."""
        return ("user", "merchant")

    def get_readonly_fields(self, request: HttpRequest, obj: MerchantUser | None = None) -> tuple[str, ...]:
        """A user is taken from a merchant, never moved to another."""
        return ("user", "merchant") if obj else ()


@admin.register(Channel)
class ChannelAdmin(KeysetAdmin):
    """Channels; an external number is unique in one for ever, so its merchant and code stay."""

    may_add = may_change = True
    keyset = ("-id",)
    search_fields = ("code", "name")
    list_display = ("code", "name", "merchant", "is_active", "matches_skus", "created_at")
    list_select_related = ("merchant",)
    list_filter = (("merchant", RelatedDropdownFilter),)
    readonly_fields = ("created_at",)

    def get_readonly_fields(self, request: HttpRequest, obj: Channel | None = None) -> tuple[str, ...]:
        """What orders refer to never changes."""
        return (*self.readonly_fields, "merchant", "code") if obj else ()


@admin.register(ApiCredential)
class ApiCredentialAdmin(CredentialPages):
    """The staff's pages of credentials: those of all merchants."""

    list_display = ("name", "merchant", "app_key", "prefix", "works", "created_at", "last_used_at")
    list_filter = (("merchant", RelatedDropdownFilter),)
    grants_platform = "merchants.grant_platform_scopes"
    add_fields = ("merchant", "name", "scopes", "allowed_networks", "calls_per_minute", "with_token")
    change_fields = ("merchant", "name", "app_key", "prefix", "scopes", "allowed_networks", "calls_per_minute")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The platform's own scopes are offered by a right of its own."""
        form = super().get_form(request, obj, change, **kwargs)
        form.offered = tuple(scopes.LABELS) if request.user.has_perm(self.grants_platform) else scopes.ALL
        return form

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may not give the platform's scopes may not get at a credential that has them either."""
        may = super().has_change_permission(request, obj)
        has_platform = obj is not None and not set(scopes.OF_PLATFORM).isdisjoint(obj.scopes)
        return may and (not has_platform or request.user.has_perm(self.grants_platform))


@admin.register(MerchantReceiver)
class MerchantReceiverAdmin(KeysetAdmin):
    """Who of merchants is told of what; merchants choose it on their own pages."""

    list_display = ("name", "merchant", "means", "every_minutes", "language", "is_active", "next_at")
    list_select_related = ("merchant",)
    list_filter = (("merchant", RelatedDropdownFilter), ("means", ChoicesDropdownFilter))
    shown_by = {"kinds": "kinds_words"}

    @display(description=gettext_lazy("what is told"))
    def kinds_words(self, row: MerchantReceiver) -> str:
        """The kinds in words."""
        return ", ".join(str(NewsKind(kind).label) for kind in row.kinds)


@admin.register(MerchantTelling)
class MerchantTellingAdmin(RowColumns, KeysetAdmin):
    """What merchants were told, and what waits or failed."""

    list_display = ("receiver", "connection", "is_test", "written_at", "sent_at", "attempts", "error_text")
    list_select_related = ("receiver", "connection")
    list_filter = (NeedsPersonFilter,)
