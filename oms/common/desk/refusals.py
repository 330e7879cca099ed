"""The staff's pages on messages that were not taken."""

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.decorators import display

from oms.common.desk.lists import KeysetAdmin
from oms.common.models import RefusedMessage
from oms.common.work import refusals


class RefusedMessageAdmin(KeysetAdmin):
    """What came and counts for nothing: for who looks into a forgery, or into keys that do not fit."""

    list_display = ("link", "received_at", "address")
    list_filter = (("connection", RelatedDropdownFilter),)
    fields = ("link", ("received_at", "address"), "reason")
    readonly_fields = ("link", "received_at", "address", "reason")

    def get_queryset(self, request: HttpRequest) -> QuerySet[RefusedMessage]:
        """With their connections."""
        return super().get_queryset(request).select_related("connection").defer("connection__credentials")

    @display(description=gettext_lazy("connection"))
    def link(self, refused: RefusedMessage) -> str:
        """Whom it was to come from."""
        return str(refused.connection)

    @display(description=gettext_lazy("Why it is not taken"))
    def reason(self, refused: RefusedMessage) -> str:
        """What its protocol says of it now."""
        otherwise = _("By what is known now it would be taken, or came from an address that is not.")
        return refusals.why(refused) or otherwise
