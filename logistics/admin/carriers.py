"""The staff's pages on carriers."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.widgets import UnfoldAdminSelectWidget

from logistics.carriers import balances, following
from logistics.carriers.defaults import OTHER_CODES
from logistics.models import Carrier, CarrierCode
from oms.common.desk.lists import KeysetAdmin
from oms.common.models import Connection, SystemKind
from oms.common.work import protocols


def protocol_field() -> forms.ChoiceField:
    """The protocols in which carriers have codes: those that carriers speak, and others' that only name them."""
    known = {one.code: one.title for one in protocols.known().values() if SystemKind.CARRIER in one.kinds}
    choices = list({**OTHER_CODES, **known}.items())
    return forms.ChoiceField(label=_("protocol"), choices=choices, widget=UnfoldAdminSelectWidget)


class CarrierCodeInline(TabularInline):
    """What protocols call the carrier. Who may change the carrier changes them."""

    model = CarrierCode
    fields = ("protocol", "code")
    extra = 0

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Only protocols in which carriers are named."""
        if db_field.name == "protocol":
            return protocol_field()
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who sees the carrier."""
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may change the carrier."""
        return request.user.has_perm("logistics.change_carrier")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may change the carrier."""
        return self.has_add_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may change the carrier."""
        return self.has_add_permission(request)


@admin.register(Carrier)
class CarrierAdmin(KeysetAdmin):
    """Who carries parcels, over which account, and who is asked first."""

    may_add = may_change = True
    keyset = ("priority", "code")
    list_display = ("code", "name", "carrier_class", "connection", "tracking_connection", "priority", "is_active")
    list_select_related = ("connection", "tracking_connection")
    inlines = (CarrierCodeInline,)

    def save_model(self, request: HttpRequest, obj: Carrier, form: Any, change: bool) -> None:
        """What is on its way with the carrier is followed over the account that it has now."""
        super().save_model(request, obj, form, change)
        if {"connection", "tracking_connection"} & set(form.changed_data):
            following.begin_all_of(obj.pk)
            balances.begin()

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Only accounts of carriers."""
        if db_field.name in ("connection", "tracking_connection"):
            kwargs["queryset"] = Connection.objects.filter(kind=SystemKind.CARRIER)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)
