"""The staff's pages of this app."""

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from oms.common.staff import KeysetAdmin
from oms.common.templatetags.staff import state_badge
from oms.merchants import webhook_admin  # noqa: F401 - registers its pages
from oms.merchants.credential_pages import CredentialPages
from oms.merchants.models import ApiCredential, Channel, Merchant


@admin.register(Merchant)
class MerchantAdmin(KeysetAdmin):
    """Merchants are opened and changed here; their code stays."""

    may_add = may_change = True
    keyset = ("code", "id")
    search_fields = ("code", "name")
    list_display = ("code", "name", "kind", "status_label", "settlement_days", "commission_rate", "opens_channels")
    list_filter = (("kind", ChoicesDropdownFilter), ("status", ChoicesDropdownFilter))
    readonly_fields = ("created_at",)

    @display(description=_("status"))
    def status_label(self, merchant: Merchant) -> str:
        """The status in its colour."""
        return state_badge(merchant, "status")

    def get_readonly_fields(self, request: HttpRequest, obj: Merchant | None = None) -> tuple[str, ...]:
        """Others refer to a merchant by its code: it never changes."""
        return (*self.readonly_fields, "code") if obj else self.readonly_fields


@admin.register(Channel)
class ChannelAdmin(KeysetAdmin):
    """Channels; an external number is unique in one for ever, so its merchant and code stay."""

    may_add = may_change = True
    keyset = ("-id",)
    search_fields = ("code", "name")
    list_display = ("code", "name", "merchant", "is_active", "created_at")
    list_select_related = ("merchant",)
    list_filter = (("merchant", RelatedDropdownFilter),)
    readonly_fields = ("created_at",)

    def get_readonly_fields(self, request: HttpRequest, obj: Channel | None = None) -> tuple[str, ...]:
        """What orders refer to never changes."""
        return (*self.readonly_fields, "merchant", "code") if obj else self.readonly_fields


@admin.register(ApiCredential)
class ApiCredentialAdmin(CredentialPages):
    """The staff's pages of credentials: those of all merchants."""

    list_display = ("name", "merchant", "app_key", "prefix", "works", "created_at", "last_used_at")
    list_filter = (("merchant", RelatedDropdownFilter),)
    add_fields = ("merchant", "name", "scopes", "allowed_networks", "calls_per_minute", "with_token")
    change_fields = ("merchant", "name", "app_key", "prefix", "scopes", "allowed_networks", "calls_per_minute")
