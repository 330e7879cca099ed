"""The staff's pages of applications and of a merchant's standing: each action its own right, by POST only."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
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

from oms.common import typed
from oms.common.desk.lists import KeysetAdmin, RowColumns, staff_actor_name
from oms.common.errors import OmsError
from oms.common.templatetags.staff import state_badge
from oms.merchants.joining import onboarding, standing
from oms.merchants.models import ApplicationDocument, ApplicationState, Merchant, MerchantApplication
from oms.merchants.models.application import validate_merchant_code


class ReasonForm(forms.Form):
    """Asks for a reason."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"), max_length=300, widget=forms.Textarea(attrs={"rows": 2, "class": "oms-input"})
    )


class RejectForm(ReasonForm):
    """Asks for a reason, for the application that the person looked at."""

    version = forms.IntegerField(widget=forms.HiddenInput)


class ApproveForm(forms.Form):
    """Asks for what the merchant will be called."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    code = forms.CharField(
        label=gettext_lazy("Merchant code"),
        max_length=32,
        validators=[validate_merchant_code],
        widget=forms.TextInput(attrs={"class": "oms-input"}),
    )
    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=120, widget=forms.TextInput(attrs={"class": "oms-input"})
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"), choices=Merchant.Kind.choices, widget=forms.Select(attrs={"class": "oms-input"})
    )
    username = forms.CharField(
        label=gettext_lazy("Login name of the first user (empty: none)"),
        max_length=150,
        required=False,
        validators=[UnicodeUsernameValidator()],
        widget=forms.TextInput(attrs={"class": "oms-input", "autocomplete": "off"}),
    )


def acted(
    model_admin: KeysetAdmin,
    request: HttpRequest,
    row_id: int,
    right: str,
    form_class: type[forms.Form],
    do: Callable[[Any, dict[str, Any]], "HttpResponse | str"],
) -> HttpResponse:
    """Do something to a row by POST, given right and form; then show what was answered, or go back with a message."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not request.user.has_perms([f"merchants.view_{model_admin.opts.model_name}", right]):
        raise PermissionDenied
    row = model_admin.get_object(request, str(row_id))
    if row is None:
        raise Http404
    form = form_class(request.POST)
    answer: HttpResponse | str = ""
    if not form.is_valid():
        for field, errors in form.errors.get_json_data().items():
            label = form.fields[field].label or field
            messages.error(request, f"{label}: {' '.join(error['message'] for error in errors)}")
        typed.keep(request, typed.of(request))
    else:
        try:
            answer = do(row, form.cleaned_data)
        except OmsError as refusal:
            messages.error(request, str(refusal))
            typed.keep(request, typed.of(request))
    if isinstance(answer, HttpResponse):
        return answer
    if answer:
        messages.success(request, answer)
    return redirect(reverse(f"admin:merchants_{model_admin.opts.model_name}_change", args=[row_id]))


def history(row: MerchantApplication | Merchant) -> SafeString:
    """Who did what, oldest first."""
    return format_html_join(
        "",
        '<p>{} · <span class="oms-strong">{}</span> · {} {}</p>',
        (
            (
                display_time(event.created_at),
                event.get_kind_display(),
                event.actor,
                format_html("– {}", event.note) if event.note else "",
            )
            for event in row.events.all()
        ),
    )


def display_time(moment: Any) -> str:
    """As the site shows times."""
    return str(localize(localtime(moment)))


@admin.register(MerchantApplication)
class MerchantApplicationAdmin(RowColumns, KeysetAdmin):
    """Applications are looked at, approved or sent back here."""

    search_fields = ("credit_code", "contact_phone", "company", "reference")
    list_display = ("company", "state_label", "kind", "wanted_code", "contact_name", "contact_phone", "submitted_at")
    list_filter = (("state", ChoicesDropdownFilter),)
    change_form_outer_after_template = "admin/merchants/application/decide.html"
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
        """Each action has its own address."""
        wrap = self.admin_site.admin_view
        name = "merchants_merchantapplication"
        return [
            path("documents/<int:document_id>/", wrap(self.document_view), name=f"{name}_document"),
            path("<int:row_id>/review/", wrap(self.review_view), name=f"{name}_review"),
            path("<int:row_id>/approve/", wrap(self.approve_view), name=f"{name}_approve"),
            path("<int:row_id>/reject/", wrap(self.reject_view), name=f"{name}_reject"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The application, and the forms that decide on it."""
        application = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if application and application.state in (ApplicationState.SUBMITTED, ApplicationState.UNDER_REVIEW):
            context = {
                "application": application,
                "may_review": application.state == ApplicationState.SUBMITTED
                and request.user.has_perm("merchants.approve_merchantapplication"),
                "may_approve": request.user.has_perm("merchants.approve_merchantapplication"),
                "may_reject": request.user.has_perm("merchants.reject_merchantapplication"),
                "approve_form": ApproveForm(
                    initial={
                        "version": application.version,
                        "code": application.wanted_code,
                        "name": application.company,
                        "kind": application.kind,
                    }
                ),
                "reject_form": RejectForm(initial={"version": application.version}),
            }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def review_view(self, request: HttpRequest, row_id: int) -> HttpResponse:
        """Take it in hand."""

        def review(application: MerchantApplication, _data: dict[str, Any]) -> str:
            onboarding.start_review(application.pk, actor=staff_actor_name(request))
            return _("The application is under review.")

        return acted(self, request, row_id, "merchants.approve_merchantapplication", forms.Form, review)

    def reject_view(self, request: HttpRequest, row_id: int) -> HttpResponse:
        """Send it back with a reason."""

        def reject(application: MerchantApplication, data: dict[str, Any]) -> str:
            onboarding.reject(
                application.pk, reason=data["reason"], actor=staff_actor_name(request), version=data["version"]
            )
            return _("The application was sent back.")

        return acted(self, request, row_id, "merchants.reject_merchantapplication", RejectForm, reject)

    def approve_view(self, request: HttpRequest, row_id: int) -> HttpResponse:
        """Make the merchant, and show its secret and its first user's password once."""

        def approve(application: MerchantApplication, data: dict[str, Any]) -> HttpResponse:
            approved = onboarding.approve(application.pk, actor=staff_actor_name(request), **data)
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "original": application,
                "title": approved.merchant.name,
                "approved": approved,
                "credential": approved.issued.credential,
                "secret": approved.issued.secret,
            }
            response = TemplateResponse(request, "admin/merchants/application/approved.html", context)
            response["Cache-Control"] = "no-store"
            return response

        return acted(self, request, row_id, "merchants.approve_merchantapplication", ApproveForm, approve)

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


class StandingPages(KeysetAdmin):
    """The part of a merchant's page on which it is suspended and resumed."""

    change_form_outer_after_template = "admin/merchants/merchant/standing.html"

    @display(description=gettext_lazy("history"))
    def history_list(self, merchant: Merchant) -> SafeString:
        """Who did what."""
        return history(merchant)

    @display(description=gettext_lazy("status"))
    def status_label(self, merchant: Merchant) -> str:
        """The status in its colour."""
        return state_badge(merchant, "status")

    def get_urls(self) -> list[URLPattern]:
        """Each action has its own address."""
        wrap = self.admin_site.admin_view
        return [
            path("<int:row_id>/suspend/", wrap(self.suspend_view), name="merchants_merchant_suspend"),
            path("<int:row_id>/resume/", wrap(self.resume_view), name="merchants_merchant_resume"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The merchant, and the form that suspends or resumes it."""
        context = {
            "merchant": self.get_object(request, object_id),
            "may_suspend": request.user.has_perm("merchants.suspend_merchant"),
            "reason_form": ReasonForm(),
        }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def suspend_view(self, request: HttpRequest, row_id: int) -> HttpResponse:
        """Let the merchant call the API no more."""

        def suspend(merchant: Merchant, data: dict[str, Any]) -> str:
            standing.suspend(merchant.pk, reason=data["reason"], actor=staff_actor_name(request))
            return _("The merchant is suspended. Orders that it sent go on.")

        return acted(self, request, row_id, "merchants.suspend_merchant", ReasonForm, suspend)

    def resume_view(self, request: HttpRequest, row_id: int) -> HttpResponse:
        """Let the merchant call the API again."""

        def resume(merchant: Merchant, data: dict[str, Any]) -> str:
            standing.resume(merchant.pk, reason=data["reason"], actor=staff_actor_name(request))
            return _("The merchant is active.")

        return acted(self, request, row_id, "merchants.suspend_merchant", ReasonForm, resume)
