"""Users and groups in the dress of the other pages, jobs, tickets, connections, and the switch of what goes out."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from oms.common.desk import permission_words
from oms.common.desk.connections import ConnectionAdmin
from oms.common.desk.facts import InboundFactAdmin
from oms.common.desk.job_pages import JobAdmin
from oms.common.desk.lists import KeysetAdmin
from oms.common.desk.message_pages import BuyerMessageAdmin, MessageTemplateAdmin
from oms.common.desk.refusals import RefusedMessageAdmin
from oms.common.desk.ticket_pages import TicketAdmin
from oms.common.desk.ticket_targets import TicketTargetAdmin
from oms.common.models import (
    BuyerMessage,
    Connection,
    FailedLogIn,
    InboundFact,
    Job,
    MessageTemplate,
    OneTimePassword,
    OutboundStop,
    RefusedMessage,
    Ticket,
    TicketTarget,
)
from oms.common.outbound_pages import OutboundStopAdmin
from oms.common.templatetags.staff import badge

admin.site.unregister(User)
admin.site.unregister(Group)


class WordedRights:
    """Offers rights in the reader's language; mix it into the admin of what has them."""

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest | None = None, **kwargs: Any) -> Any:
        """The field, with its rights in words."""
        field = super().formfield_for_manytomany(db_field, request, **kwargs)  # type: ignore[misc]
        if db_field.remote_field.model is Permission:
            field.queryset = permission_words.with_pages(field.queryset)
            field.label_from_instance = permission_words.in_words
        return field


@admin.register(User)
class UserAdmin(WordedRights, DjangoUserAdmin, ModelAdmin):
    """Who may log in, and what they may do."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """A new user's password was made by somebody else."""
        super().save_model(request, obj, form, change)
        if not change:
            OneTimePassword.objects.create(user=obj)

    @transaction.atomic
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """A password that is set for another user is one that the user must change."""
        answer = super().user_change_password(request, id, form_url)
        is_changed = request.method == "POST" and answer.status_code == 302
        if is_changed and int(id) != request.user.pk:
            OneTimePassword.objects.get_or_create(user_id=int(id))
        return answer


@admin.register(Group)
class GroupAdmin(WordedRights, DjangoGroupAdmin, ModelAdmin):
    """Rights that several people share."""


@admin.register(FailedLogIn)
class FailedLogInAdmin(KeysetAdmin):
    """Who gave wrong passwords and from where, until it is forgotten; who may delete a row lets them try again."""

    may_delete = True
    search_fields = ("username",)
    search_help_text = gettext_lazy("login name")
    list_display = ("name", "address", "failures", "waits", "at")
    fields = (("name", "address"), ("failures", "waits"), ("at", "page"), "program")
    readonly_fields = ("name", "address", "failures", "waits", "at", "page", "program")
    actions = ("delete_selected",)

    @display(description=gettext_lazy("login name"))
    def name(self, row: FailedLogIn) -> str:
        """As it was typed."""
        return row.username or "–"

    @display(description=gettext_lazy("address"))
    def address(self, row: FailedLogIn) -> str:
        """Where from."""
        return row.ip_address or "–"

    @display(description=gettext_lazy("wrong passwords"))
    def failures(self, row: FailedLogIn) -> int:
        """How many."""
        return row.failures_since_start

    @display(description=gettext_lazy("state"))
    def waits(self, row: FailedLogIn) -> str | SafeString:
        """Whether the name must wait there."""
        is_over = row.attempt_time + timedelta(seconds=settings.LOGIN_COOL_OFF_SECONDS) < now()
        if is_over or row.failures_since_start < settings.AXES_FAILURE_LIMIT:
            return "–"
        return badge(_("Must wait"), "danger", "lock")

    @display(description=gettext_lazy("at"))
    def at(self, row: FailedLogIn) -> Any:
        """When it was last."""
        return row.attempt_time

    @display(description=gettext_lazy("page"))
    def page(self, row: FailedLogIn) -> str:
        """At which of the log-in pages."""
        return row.path_info

    @display(description=gettext_lazy("program"))
    def program(self, row: FailedLogIn) -> str:
        """What the browser says that it is."""
        return row.user_agent


admin.site.register(Job, JobAdmin)
admin.site.register(Connection, ConnectionAdmin)
admin.site.register(InboundFact, InboundFactAdmin)
admin.site.register(RefusedMessage, RefusedMessageAdmin)
admin.site.register(OutboundStop, OutboundStopAdmin)
admin.site.register(Ticket, TicketAdmin)
admin.site.register(MessageTemplate, MessageTemplateAdmin)
admin.site.register(BuyerMessage, BuyerMessageAdmin)
admin.site.register(TicketTarget, TicketTargetAdmin)
