"""The staff's pages of this app."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from oms.common.staff import KeysetAdmin
from oms.common.templatetags.staff import state_badge
from oms.merchants import webhook_admin  # noqa: F401 - registers its pages
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
class ApiCredentialAdmin(KeysetAdmin):
    """Tokens are issued here and shown once; after that they can only be switched off."""

    may_add = may_change = True
    search_fields = ("prefix", "name")
    list_display = ("name", "merchant", "prefix", "is_active", "created_at", "last_used_at")
    list_select_related = ("merchant",)
    list_filter = (("merchant", RelatedDropdownFilter),)

    def get_fields(self, request: HttpRequest, obj: ApiCredential | None = None) -> tuple[str, ...]:
        """A new one has only a merchant and a name."""
        if obj is None:
            return ("merchant", "name")
        return ("merchant", "name", "prefix", "is_active", "created_at", "last_used_at")

    def get_readonly_fields(self, request: HttpRequest, obj: ApiCredential | None = None) -> tuple[str, ...]:
        """Only the name and whether it works can be changed."""
        return ("merchant", "prefix", "created_at", "last_used_at") if obj else ()

    def save_model(self, request: HttpRequest, obj: ApiCredential, form: Any, change: bool) -> None:
        """A new credential gets its token, which the answer shows and nothing keeps."""
        if change:
            super().save_model(request, obj, form, change)
            return
        issued, token = ApiCredential.issue(obj.merchant, obj.name)
        obj.__dict__.update(issued.__dict__)
        request._issued_token = token  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: ApiCredential, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the token, this once; it goes through no cookie and no message store."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": obj,
            "title": obj.name,
            "credential": obj,
            "token": request._issued_token,  # type: ignore[attr-defined]
        }
        response = TemplateResponse(request, "admin/merchants/apicredential/issued.html", context)
        response["Cache-Control"] = "no-store"
        return response
