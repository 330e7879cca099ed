"""The staff's pages of accounts with carriers: who may use them, how much, and what each used."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, Sum
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from logistics.carriers import sharing
from logistics.models import CarrierAccount, WaybillShare, WaybillUse
from oms.common.desk.lists import KeysetAdmin
from oms.common.models import Connection, SystemKind
from oms.common.money import fen_text
from oms.common.templatetags.staff import badge


class ShareForm(forms.ModelForm):
    """A user of an account; a limit below what is used already is refused."""

    class Meta:
        model = WaybillShare
        fields = (
            *("account", "merchant", "channel", "most_a_day", "most_in_total", "most_fen", "warn_at_percent"),
            "is_active",
        )

    def clean(self) -> dict[str, Any]:
        """The shop is the merchant's, and what is used is within the limits."""
        data = super().clean() or self.cleaned_data
        channel, merchant = data.get("channel"), data.get("merchant")
        if channel and merchant and channel.merchant_id != merchant.pk:
            self.add_error("channel", _("The shop is of another merchant."))
        if self.instance.pk is None:
            return data
        row = WaybillShare.objects.get(pk=self.instance.pk)
        that_day = row.used_that_day if row.used_on == sharing.today() else 0
        for name, used in (("most_a_day", that_day), ("most_in_total", row.used_in_total), ("most_fen", row.used_fen)):
            most = data.get(name)
            if most is not None and most < used:
                self.add_error(name, _("%(used)s are used already.") % {"used": used})
        return data


class ShareInline(TabularInline):
    """Who may use the account; none: everybody. Who may change the account changes them."""

    model = WaybillShare
    form = ShareForm
    extra = 0
    fields = ("merchant", "channel", "most_a_day", "most_in_total", "most_fen", "warn_at_percent", "is_active")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who sees the account."""
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may change the account."""
        return request.user.has_perm("logistics.change_carrieraccount")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may change the account."""
        return self.has_add_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A user is switched off rather than forgotten."""
        return False


@admin.register(CarrierAccount)
class CarrierAccountAdmin(KeysetAdmin):
    """Accounts with carriers, in the order in which they are used."""

    may_add = may_change = True
    keyset = ("carrier__code", "position", "id")
    list_display = ("name", "carrier", "connection", "position", "users", "used", "is_active")
    list_select_related = ("carrier", "connection")
    list_filter = (("carrier", RelatedDropdownFilter),)
    inlines = (ShareInline,)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Only connections of carriers."""
        if db_field.name == "connection":
            kwargs["queryset"] = Connection.objects.filter(kind=SystemKind.CARRIER)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """With new limits, what runs low is told anew."""
        super().save_related(request, form, formsets, change)
        sharing.tell_low(list(form.instance.shares.values_list("pk", flat=True)))

    def prepare_rows(self, request: HttpRequest, rows: Any) -> None:
        """How many users each has, and what they used. One statement."""
        counted = WaybillShare.objects.filter(account__in=[row.pk for row in rows]).order_by().values("account")
        found = {
            one["account"]: one
            for one in counted.annotate(users=Count("id"), waybills=Sum("used_in_total"), fen=Sum("used_fen"))
        }
        for row in rows:
            row.counted = found.get(row.pk)

    @display(description=gettext_lazy("users"))
    def users(self, account: CarrierAccount) -> str:
        """How many; without any, everybody."""
        counted = getattr(account, "counted", None)
        return str(counted["users"]) if counted else _("everybody")

    @display(description=gettext_lazy("used"))
    def used(self, account: CarrierAccount) -> str:
        """Waybills and freight of its users."""
        counted = getattr(account, "counted", None)
        return _used(counted["waybills"], counted["fen"]) if counted else "–"


def _used(waybills: int, fen: int) -> str:
    text = ngettext("one waybill, %(yuan)s yuan", "%(count)s waybills, %(yuan)s yuan", waybills)
    return text % {"count": waybills, "yuan": fen_text(fen)}


@admin.register(WaybillShare)
class WaybillShareAdmin(KeysetAdmin):
    """What each user of an account used, and what is left; limits are set on the account's page."""

    search_fields = ("merchant__code", "channel__code")
    search_help_text = gettext_lazy("Merchant or channel code")
    list_display = ("account", "merchant", "channel", "left", "used", "is_active")
    list_select_related = ("account", "merchant", "channel")
    list_filter = (("account", RelatedDropdownFilter),)

    @display(description=gettext_lazy("left"))
    def left(self, share: WaybillShare) -> str:
        """What is left of each limit."""
        return badge(left_words(share), "warning" if sharing.is_low(share) else "muted")

    @display(description=gettext_lazy("used"))
    def used(self, share: WaybillShare) -> str:
        """Waybills and freight."""
        return _used(share.used_in_total, share.used_fen)


def left_words(share: WaybillShare) -> str:
    """What is left of a user's limits, in words."""
    left = sharing.left_of(share)
    parts = []
    if left.that_day is not None:
        parts.append(_("today %(count)s") % {"count": left.that_day})
    if left.in_total is not None:
        parts.append(_("in total %(count)s") % {"count": left.in_total})
    if left.fen is not None:
        parts.append(_("%(amount)s yuan") % {"amount": fen_text(left.fen)})
    return ", ".join(parts) or _("no limit")


@admin.register(WaybillUse)
class WaybillUseAdmin(KeysetAdmin):
    """Each waybill that was asked for over a shared account."""

    search_fields = ("shipment__number", "shipment__waybill_number")
    search_help_text = gettext_lazy("Shipment or waybill number")
    list_display = ("share", "shipment", "state", "day", "freight", "asked_at", "given_back_at")
    list_select_related = ("share__account", "share__merchant", "share__channel", "shipment")
    list_filter = (("state", ChoicesDropdownFilter),)

    @display(description=gettext_lazy("freight"))
    def freight(self, use: WaybillUse) -> str:
        """In yuan."""
        return fen_text(use.freight_fen)
