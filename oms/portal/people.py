"""Colleagues: who logs in to the merchant's pages, invited and removed by its administrators, in which role."""

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from oms.common.desk.acting import INPUT, RowAction, RowActions
from oms.common.errors import OmsError
from oms.merchant_admin import OwnPages, actor_of, merchant_of, site
from oms.merchants.joining import people
from oms.merchants.joining.roles import MAY, Right, Role
from oms.merchants.models import Merchant, MerchantUser

PEOPLE = "portal.people"


class RoleForm(forms.Form):
    """What somebody may do."""

    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Role.choices, widget=forms.Select(attrs=INPUT))


class InviteForm(RoleForm):
    """A login name, and what it may do."""

    username = forms.CharField(
        label=gettext_lazy("Login name"),
        max_length=150,
        help_text=gettext_lazy("Letters, digits and @ . + - _; an e-mail address will do."),
        widget=forms.TextInput(attrs={**INPUT, "autocomplete": "off"}),
    )
    field_order = ("username", "role")


def _merchant(request: HttpRequest) -> Merchant:
    merchant = merchant_of(request)
    if merchant is None:
        raise Http404
    # The people of a sandbox are its seller's.
    return merchant.sandbox_of or merchant


def _change(request: HttpRequest, person_id: int, data: dict[str, Any]) -> str:
    people.change_role(_merchant(request), person_id, role=data["role"], actor=actor_of(request).name)
    return _("The role is changed, from now on.")


def _password(request: HttpRequest, person_id: int, _data: dict[str, Any]) -> HttpResponse:
    merchant = _merchant(request)
    password = people.new_password(merchant, person_id, actor=actor_of(request).name)
    name = merchant.users.select_related("user").get(pk=person_id).user.get_username()
    return _shown_once(request, name, password)


def _remove(request: HttpRequest, person_id: int, _data: dict[str, Any]) -> HttpResponse | str:
    people.remove(_merchant(request), person_id, actor=actor_of(request).name)
    return _("They are locked out.")


def _shown_once(request: HttpRequest, name: str, password: str) -> HttpResponse:
    context = {
        **site.each_context(request),
        "title": name,
        "username": name,
        "password": password,
        "login_address": request.build_absolute_uri(reverse("merchant:login")),
        "back": reverse("merchant:merchants_merchantuser_changelist"),
    }
    response = TemplateResponse(request, "portal/password.html", context)
    response["Cache-Control"] = "no-store"
    return response


class OwnPeople(OwnPages, RowActions):
    """The people of the merchant."""

    sees = changes = PEOPLE
    may_add = True
    search_fields = ("user__username",)
    search_help_text = gettext_lazy("Login name")
    list_display = ("user", "role", "last_login", "created_at")
    list_select_related = ("user",)
    list_filter = (("role", ChoicesDropdownFilter),)
    fields = readonly_fields = ("user", "role", "what_it_may", "last_login", "created_at")
    row_actions = (
        RowAction(
            *("role", PEOPLE, gettext_lazy("Change the role"), _change, RoleForm, "primary"),
            initial=lambda row: {"role": row.role},
        ),
        RowAction(
            *("password", PEOPLE, gettext_lazy("New password"), _password),
            icon="key",
            hint=gettext_lazy("For who forgot it: shown once, and changed at the next log-in."),
        ),
        RowAction("remove", PEOPLE, gettext_lazy("Lock out"), _remove, tone="danger-line", icon="person_off"),
    )

    def own(self, merchant: Merchant) -> QuerySet[MerchantUser]:
        """The merchant's; those of a sandbox are its seller's."""
        return (merchant.sandbox_of or merchant).users.all()

    def page_after(self, request: HttpRequest, row_id: int) -> str:
        """The list, for who was locked out has no page any more."""
        if self.get_object(request, str(row_id)) is None:
            return reverse("merchant:merchants_merchantuser_changelist")
        return super().page_after(request, row_id)

    @display(description=gettext_lazy("last log-in"))
    def last_login(self, person: MerchantUser) -> Any:
        """When they came last."""
        return person.user.last_login

    @display(description=gettext_lazy("may"))
    def what_it_may(self, person: MerchantUser) -> str:
        """What the role may, beside reading orders, parcels, stock and catalogue."""
        return "; ".join(str(right.label) for right in Right if right in MAY[Role(person.role)]) or "–"

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Invite somebody; the one-time password is shown once."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = InviteForm(request.POST or None, initial={"role": Role.READ_ONLY})
        if request.method == "POST" and form.is_valid():
            name = form.cleaned_data["username"]
            try:
                password = people.invite(
                    _merchant(request), name, role=form.cleaned_data["role"], actor=actor_of(request).name
                )
                return _shown_once(request, name, password)
            except OmsError as refusal:
                form.add_error(refusal.attr if refusal.attr in form.fields else None, str(refusal))
        table = [(right.label, [right in MAY[role] for role in Role]) for right in Right]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Invite a colleague"),
            "form": form,
            "roles": [role.label for role in Role],
            "table": table,
            "list_url": reverse("merchant:merchants_merchantuser_changelist"),
        }
        return TemplateResponse(request, "portal/invite.html", context, status=400 if form.errors else 200)


site.register(MerchantUser, OwnPeople)
