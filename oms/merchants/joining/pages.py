"""The staff's pages of applications and of a merchant's standing: each action its own right, by POST only."""

from collections.abc import Collection
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import localize
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from oms.common.codebook import ACTORS
from oms.common.desk.acting import INPUT, RowAction, RowActions, VersionForm
from oms.common.desk.lists import RowColumns, staff_actor_name
from oms.common.templatetags.staff import state_badge
from oms.merchants.joining import onboarding, standing
from oms.merchants.models import ApplicationDocument, ApplicationState, Merchant, MerchantApplication
from oms.merchants.models.application import KINDS, validate_merchant_code


class ReasonForm(forms.Form):
    """Asks for a reason."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"), max_length=300, widget=forms.Textarea(attrs={"rows": 2, **INPUT})
    )


class RejectForm(VersionForm, ReasonForm):
    """Asks for a reason, for the application that the person looked at."""


class ApproveForm(VersionForm):
    """Asks for what the merchant will be called."""

    code = forms.CharField(
        label=gettext_lazy("Merchant code"),
        max_length=32,
        validators=[validate_merchant_code],
        widget=forms.TextInput(attrs=INPUT),
    )
    name = forms.CharField(label=gettext_lazy("Name"), max_length=120, widget=forms.TextInput(attrs=INPUT))
    kind = forms.ChoiceField(label=gettext_lazy("Kind"), choices=KINDS, widget=forms.Select(attrs=INPUT))
    username = forms.CharField(
        label=gettext_lazy("Login name of the first user"),
        max_length=150,
        validators=[UnicodeUsernameValidator()],
        widget=forms.TextInput(attrs={**INPUT, "autocomplete": "off"}),
    )


def history(row: MerchantApplication | Merchant) -> SafeString:
    """Who did what, oldest first."""
    return format_html_join(
        "",
        '<p>{} · <span class="oms-strong">{}</span> · {} {}</p>',
        (
            (
                display_time(event.created_at),
                event.get_kind_display(),
                ACTORS.word(event.actor),
                format_html("– {}", event.note) if event.note else "",
            )
            for event in row.events.all()
        ),
    )


def display_time(moment: Any) -> str:
    """As the site shows times."""
    return str(localize(localtime(moment)))


def _review(request: HttpRequest, row_id: int, _data: dict[str, Any]) -> str:
    """Take an application in hand."""
    onboarding.start_review(row_id, actor=staff_actor_name(request))
    return _("The application is under review.")


def _reject(request: HttpRequest, row_id: int, data: dict[str, Any]) -> str:
    """Send an application back with a reason."""
    onboarding.reject(row_id, **data, actor=staff_actor_name(request))
    return _("The application was sent back.")


def _approve(request: HttpRequest, row_id: int, data: dict[str, Any]) -> HttpResponse:
    """Make the merchant, and show its secret and its first user's password once."""
    approved = onboarding.approve(row_id, actor=staff_actor_name(request), **data)
    context = {
        **admin.site.each_context(request),
        "opts": MerchantApplication._meta,
        "original": MerchantApplication.objects.get(pk=row_id),
        "title": approved.merchant.name,
        "approved": approved,
        "credential": approved.issued.credential,
        "secret": approved.issued.secret,
        "login_address": request.build_absolute_uri(reverse("merchant:login")),
    }
    response = TemplateResponse(request, "admin/merchants/application/approved.html", context)
    response["Cache-Control"] = "no-store"
    return response


def _suspend(request: HttpRequest, row_id: int, data: dict[str, Any]) -> str:
    """Let a merchant call the API no more."""
    standing.suspend(row_id, reason=data["reason"], actor=staff_actor_name(request))
    return _("The merchant is suspended. Orders that it sent go on.")


def _resume(request: HttpRequest, row_id: int, data: dict[str, Any]) -> str:
    """Let a merchant call the API again."""
    standing.resume(row_id, reason=data["reason"], actor=staff_actor_name(request))
    return _("The merchant is active.")


_SUSPENDED = gettext_lazy("A suspended merchant can neither call the API nor send orders. Orders that it sent go on.")


@admin.register(MerchantApplication)
class MerchantApplicationAdmin(RowColumns, RowActions):
    """Applications are looked at, approved or sent back here."""

    search_fields = ("credit_code", "contact_phone", "company__icontains", "contact_name", "wanted_code", "reference")
    list_display = ("company", "state_label", "kind", "wanted_code", "contact_name", "contact_phone", "submitted_at")
    list_filter = (("state", ChoicesDropdownFilter),)
    row_actions = (
        RowAction("review", "merchants.approve_merchantapplication", gettext_lazy("Start the review"), _review),
        RowAction(
            "approve",
            "merchants.approve_merchantapplication",
            gettext_lazy("Approve"),
            _approve,
            ApproveForm,
            tone="primary",
            hint=gettext_lazy(
                "Makes the merchant with its first channel, a credential, whose secret is shown once, and its first"
                " user, an administrator. The applicant is told by e-mail where to log in."
            ),
            initial=lambda row: {
                "code": row.wanted_code,
                "name": row.company,
                "kind": row.kind,
                "username": row.wanted_code.lower(),
            },
        ),
        RowAction(
            "reject",
            "merchants.reject_merchantapplication",
            gettext_lazy("Send back"),
            _reject,
            RejectForm,
            tone="danger-line",
        ),
    )
    readonly_fields = ("state_label", "documents_list", "history_list")
    fields = (
        ("company", "state_label"),
        ("credit_code", "legal_representative"),
        ("contact_name", "contact_phone"),
        ("contact_email", "wanted_code"),
        ("kind", "merchant"),
        "remarks",
        "rejection_reason",
        "documents_list",
        "history_list",
        ("reference", "submitted_at"),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Nothing is edited in a form."""
        names = [name for row in self.fields for name in (row if isinstance(row, tuple) else (row,))]
        return tuple(names)

    @display(description=gettext_lazy("documents"))
    def documents_list(self, application: MerchantApplication) -> SafeString:
        """The files, each with a link for those who may see applications."""
        return format_html_join(
            "",
            '<p><a class="oms-no" href="{}">{}</a> <span class="oms-sub">{} · {} KB</span></p>',
            (
                (
                    reverse("admin:merchants_merchantapplication_document", args=[document.pk]),
                    document.name,
                    document.media_type,
                    max(1, document.size // 1024),
                )
                for document in application.documents.all()
            ),
        )

    @display(description=gettext_lazy("history"))
    def history_list(self, application: MerchantApplication) -> SafeString:
        """Who did what."""
        return history(application)

    def get_urls(self) -> list[URLPattern]:
        """The documents have addresses of their own."""
        document = self.admin_site.admin_view(self.document_view)
        name = "merchants_merchantapplication_document"
        return [path("documents/<int:document_id>/", document, name=name), *super().get_urls()]

    def fitting_actions(self, row: MerchantApplication) -> Collection[str]:
        """An application is decided on once; the review is begun before."""
        match row.state:
            case ApplicationState.SUBMITTED:
                return ("review", "approve", "reject")
            case ApplicationState.UNDER_REVIEW:
                return ("approve", "reject")
        return ()

    def document_view(self, request: HttpRequest, document_id: int) -> FileResponse:
        """A file of an application, to be kept, never to be shown within this site."""
        if not request.user.has_perm("merchants.view_merchantapplication"):
            raise PermissionDenied
        document = ApplicationDocument.objects.filter(pk=document_id).first()
        if document is None:
            raise Http404
        response = FileResponse(
            document.file.open("rb"), as_attachment=True, filename=document.name, content_type=document.media_type
        )
        response["X-Content-Type-Options"] = "nosniff"
        response["Content-Security-Policy"] = "sandbox"
        response["Cache-Control"] = "no-store"
        return response


class StandingPages(RowActions):
    """The part of a merchant's page on which it is suspended and resumed."""

    row_actions = (
        RowAction(
            "suspend",
            "merchants.suspend_merchant",
            gettext_lazy("Suspend the merchant"),
            _suspend,
            ReasonForm,
            tone="danger-line",
            hint=_SUSPENDED,
        ),
        RowAction(
            "resume",
            "merchants.suspend_merchant",
            gettext_lazy("Let the merchant go on"),
            _resume,
            ReasonForm,
            tone="primary",
            hint=_SUSPENDED,
        ),
    )

    @display(description=gettext_lazy("history"))
    def history_list(self, merchant: Merchant) -> SafeString:
        """Who did what."""
        return history(merchant)

    @display(description=gettext_lazy("status"))
    def status_label(self, merchant: Merchant) -> str:
        """The status in its colour."""
        return state_badge(merchant, "status")

    def fitting_actions(self, row: Merchant) -> Collection[str]:
        """One or the other."""
        return ("suspend",) if row.status == Merchant.Status.ACTIVE else ("resume",)
