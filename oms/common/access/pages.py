"""The pages of who may do what: users, groups with their roles, the table of both, and the security log."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.admin import RelatedFieldListFilter
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin, StackedInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectWidget

from oms.common.access import log, matrix, roles, second_factor
from oms.common.access.words import reason_word, value_words
from oms.common.desk import acting, permission_words
from oms.common.desk.lists import DayRangeFilter, KeysetAdmin
from oms.common.models import Authenticator, FailedLogIn, OneTimePassword, Role, SecurityEvent, SecurityEventKind
from oms.common.templatetags.staff import badge

_FLAGS = ("is_active", "is_staff", "is_superuser")


class WordedRights:
    """Offers rights and groups in the reader's language; mix it into the admin of what has them. What changes of them
    is in the security log."""

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest | None = None, **kwargs: Any) -> Any:
        """The field, with its rights in words."""
        field = super().formfield_for_manytomany(db_field, request, **kwargs)  # type: ignore[misc]
        if db_field.remote_field.model is Permission:
            field.queryset = permission_words.with_pages(field.queryset)
            field.label_from_instance = permission_words.in_words
        elif db_field.remote_field.model is Group:
            field.label_from_instance = roles.named
        return field

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """The form; saving it is one transaction with the log."""
        with transaction.atomic():
            return super().changeform_view(request, *args, **kwargs)  # type: ignore[misc]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save what the row has, and note what that changed."""
        before = _rights_of(form.instance)
        super().save_related(request, form, formsets, change)  # type: ignore[misc]
        after = _rights_of(form.instance)
        values: dict[str, Any] = {
            **({"given": sorted(after - before)} if after - before else {}),
            **({"taken": sorted(before - after)} if before - after else {}),
            **{name: getattr(form.instance, name) for name in _FLAGS if name in form.changed_data},
        }
        if values or not change:
            _note_rights(request, form.instance, values if change else {**values, "made": True})

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete it, and note that."""
        _note_rights(request, obj, {"deleted": True})
        super().delete_model(request, obj)  # type: ignore[misc]

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete them, and note each."""
        for row in queryset:
            _note_rights(request, row, {"deleted": True})
        super().delete_queryset(request, queryset)  # type: ignore[misc]


def _rights_of(row: Any) -> set[str]:
    """The rights of the user or group of its own, as `app.codename`, and a user's groups as `group:name`."""
    rights = row.user_permissions if isinstance(row, User) else row.permissions
    found = {f"{app}.{code}" for app, code in rights.values_list("content_type__app_label", "codename")}
    if isinstance(row, User):
        found |= {f"group:{name}" for name in row.groups.values_list("name", flat=True)}
    return found


def _note_rights(request: HttpRequest, row: Model, values: dict[str, Any]) -> None:
    about = log.Subject(row._meta.label_lower, row.pk, str(row))
    log.note(SecurityEventKind.RIGHTS_CHANGED, request.user, request=request, about=about, values=values)


class RoleFilter(RelatedFieldListFilter):
    """Users by group, in words."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        """The groups as people call them."""
        return [(key, roles.NAMES.word(str(name))) for key, name in super().field_choices(field, request, model_admin)]


class UserAdmin(WordedRights, DjangoUserAdmin, ModelAdmin):
    """Who may log in, and what they may do. Nobody but a superuser makes superusers or changes one."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "full_name", "roles", "second_factor", "is_active", "is_superuser", "last_login")
    list_filter = ("is_staff", "is_superuser", "is_active", ("groups", RoleFilter))
    readonly_fields = ("second_factor", "last_login", "date_joined")
    change_form_outer_after_template = "admin/auth/remove_factor.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """With the groups and whether an app is set up, in one statement each."""
        return super().get_queryset(request).prefetch_related("groups", "authenticator_set")

    @display(description=gettext_lazy("name"))
    def full_name(self, user: User) -> str:
        """First and last name."""
        return user.get_full_name() or "–"

    @display(description=gettext_lazy("roles"))
    def roles(self, user: User) -> str:
        """The groups, in words."""
        return _(", ").join(roles.named(group) for group in user.groups.all()) or "–"

    @display(description=gettext_lazy("second factor"))
    def second_factor(self, user: User) -> SafeString | str:
        """Whether an app is set up."""
        has_one = any(app.confirmed for app in user.authenticator_set.all())  # type: ignore[attr-defined]
        return badge(_("Set up"), "success", "verified_user") if has_one else "–"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Django's, with the second factor beside the log-in."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None:
            return fieldsets
        first, *rest = fieldsets
        return [(first[0], {**first[1], "fields": (*first[1]["fields"], "second_factor")}), *rest]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Only superusers make superusers."""
        fields = super().get_readonly_fields(request, obj)
        return fields if request.user.is_superuser else (*fields, "is_superuser")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only superusers change a superuser: who changes its password is one."""
        is_above = obj is not None and obj.is_superuser and not request.user.is_superuser
        return super().has_change_permission(request, obj) and not is_above

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As to change it."""
        is_above = obj is not None and obj.is_superuser and not request.user.is_superuser
        return super().has_delete_permission(request, obj) and not is_above

    def get_urls(self) -> list[URLPattern]:
        """Also the button that takes an app away."""
        view = self.admin_site.admin_view(self.remove_factor_view)
        return [path("<int:user_id>/remove-factor/", view, name="auth_user_remove_factor"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The user, with the button where there is an app."""
        has_app = object_id.isdigit() and Authenticator.objects.filter(user=int(object_id)).exists()
        return super().change_view(request, object_id, form_url, {"has_factor": has_app, **(extra_context or {})})

    def remove_factor_view(self, request: HttpRequest, user_id: int) -> HttpResponse:
        """Take the user's app and recovery codes away, where both are lost."""

        def remove(_data: dict[str, Any]) -> str:
            second_factor.remove(User.objects.get(pk=user_id), by=request)
            return _("The second factor is removed. Where a role needs one, the user sets up another.")

        user = User.objects.filter(pk=user_id).first()
        may = self.has_change_permission(request, user)
        return acting.act(request, remove, may=may, page=reverse("admin:auth_user_change", args=[user_id]))

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
        if is_changed:
            user = User.objects.get(pk=int(id))
            if user.pk != request.user.pk:
                OneTimePassword.objects.get_or_create(user=user)
            about = log.Subject("auth.user", user.pk, user.get_username())
            log.note(SecurityEventKind.PASSWORD_CHANGED, request.user, request=request, about=about)
        return answer


class RoleForm(forms.ModelForm):
    """Where members begin, and whether a password is enough."""

    landing = forms.ChoiceField(
        label=gettext_lazy("first page"), required=False, choices=roles.landings, widget=UnfoldAdminSelectWidget
    )

    class Meta:
        model = Role
        fields = ("landing", "needs_second_factor")


class RoleInline(StackedInline):
    """What a group is beside its rights."""

    model = Role
    form = RoleForm
    extra = 0
    max_num = 1
    can_delete = False
    hide_title = True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As of the group."""
        return request.user.has_perm("auth.view_group")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As of the group."""
        return request.user.has_perm("auth.change_group")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As of the group."""
        return request.user.has_perm("auth.change_group")


class GroupAdmin(WordedRights, DjangoGroupAdmin, ModelAdmin):
    """Rights that several people share, and what their role is."""

    list_display = ("name_label", "members", "landing", "needs_factor")
    inlines = (RoleInline,)
    list_before_template = "admin/auth/matrix_link.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        """With roles, and members in one statement more."""
        return super().get_queryset(request).select_related("role").prefetch_related("user_set")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """The name says what it means to change it."""
        field: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "name":
            field.help_text = _("As long as it is the code of a shipped role, each reader sees it in their language.")
        return field

    @display(description=gettext_lazy("role"))
    def name_label(self, group: Group) -> str:
        """What it is called."""
        return roles.named(group)

    @display(description=gettext_lazy("members"))
    def members(self, group: Group) -> int:
        """How many."""
        return len(group.user_set.all())

    @display(description=gettext_lazy("first page"))
    def landing(self, group: Group) -> str:
        """Where its members begin."""
        landing = group.role.landing if hasattr(group, "role") else ""
        return str(dict(roles.landings()).get(landing, landing))

    @display(description=gettext_lazy("second factor"), boolean=True)
    def needs_factor(self, group: Group) -> bool:
        """Whether its members need one."""
        return hasattr(group, "role") and group.role.needs_second_factor

    def get_urls(self) -> list[URLPattern]:
        """Also the table of roles and rights."""
        view = self.admin_site.admin_view(self.matrix_view)
        return [path("matrix/", view, name="auth_group_matrix"), *super().get_urls()]

    def matrix_view(self, request: HttpRequest) -> HttpResponse:
        """Who may do what: each right with the groups that have it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Who may do what"),
            **matrix.of_groups(),
        }
        return TemplateResponse(request, "admin/auth/matrix.html", context)


class FailedLogInAdmin(KeysetAdmin):
    """Who gave wrong passwords and from where, until it is forgotten; who may delete a row lets them try again."""

    may_delete = True
    search_fields = ("username",)
    search_help_text = gettext_lazy("login name")
    list_display = ("name", "address", "failures", "waits", "at")
    shown_by = {"attempt_time": "at", "failures_since_start": "failures"}
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


class SecurityEventAdmin(KeysetAdmin):
    """Log-ins, looks at personal data, exports, changes of rights: who, what, from where, why."""

    list_display = ("at", "kind_label", "person", "about", "reason_text", "address", "details")
    list_filter = (("kind", ChoicesDropdownFilter), ("at", DayRangeFilter))
    search_fields = ("person", "subject")
    search_help_text = gettext_lazy("who, or the number or name of what it is about")
    fields = (("kind_label", "at"), ("person", "address"), ("about", "reason_text"), "details")
    readonly_fields = ("kind_label", "at", "person", "address", "about", "reason_text", "details")

    @display(description=gettext_lazy("what"))
    def kind_label(self, row: SecurityEvent) -> SafeString:
        """In its colour."""
        return badge(row.get_kind_display(), _TONES.get(row.kind, "muted"))

    @display(description=gettext_lazy("about"))
    def about(self, row: SecurityEvent) -> SafeString | str:
        """What it is about, with a link where it has a page."""
        if not row.subject:
            return "–"
        if row.subject_kind not in _LINKED or row.subject_id is None:
            return row.subject
        app, model = row.subject_kind.split(".")
        address = reverse(f"admin:{app}_{model}_change", args=[row.subject_id])
        return format_html('<a class="oms-no" href="{}">{}</a>', address, row.subject)

    @display(description=gettext_lazy("reason"))
    def reason_text(self, row: SecurityEvent) -> str:
        """Why, chosen and typed."""
        return " · ".join(filter(None, [reason_word(row.reason), row.note])) or "–"

    @display(description=gettext_lazy("details"))
    def details(self, row: SecurityEvent) -> str:
        """What else is known."""
        return value_words(row.values) or "–"


_LINKED: Collection[str] = ("orders.order", "auth.user", "auth.group", "common.job")
_TONES: Mapping[str, str] = {
    SecurityEventKind.LOG_IN_REFUSED: "warning",
    SecurityEventKind.FACTOR_REFUSED: "warning",
    SecurityEventKind.REVEAL_REFUSED: "danger",
    SecurityEventKind.EXPORT_REFUSED: "danger",
    SecurityEventKind.FACTOR_REMOVED: "warning",
    SecurityEventKind.RIGHTS_CHANGED: "info",
    SecurityEventKind.REVEALED: "info",
    SecurityEventKind.EXPORTED: "info",
    SecurityEventKind.PLATFORM_READ: "info",
}
