"""Users and groups in the dress of the other pages, background jobs, and the switch of what goes out."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from oms.common.job_pages import JobAdmin
from oms.common.models import Job, OutboundStop
from oms.common.outbound_pages import OutboundStopAdmin

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    """Who may log in, and what they may do."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """Rights that several people share."""


admin.site.register(Job, JobAdmin)
admin.site.register(OutboundStop, OutboundStopAdmin)
