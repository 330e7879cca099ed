"""The public page on which a company applies to become a merchant, and looks at what became of it."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.core import signing
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.core.validators import validate_ipv46_address
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from oms.common.door.requests import caller_address
from oms.common.errors import OmsError
from oms.merchants.joining import onboarding
from oms.merchants.models import ApplicationState, MerchantApplication


class FilesInput(forms.ClearableFileInput):
    """Several files at once."""

    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Several files, each of a kind and size that is taken."""

    widget = FilesInput(attrs={"accept": ".pdf,.png,.jpg,.jpeg", "multiple": True})

    def clean(self, data: Any, initial: Any = None) -> Sequence[UploadedFile]:
        """The files. Raises ValidationError naming each that is wrong."""
        given = data if isinstance(data, list | tuple) else [data]
        files = [file for file in given if file]
        if not files:
            super().clean(None, initial)
        if len(files) > onboarding.MAX_FILES:
            raise ValidationError(_("Send at most %(most)d files.") % {"most": onboarding.MAX_FILES})
        errors = []
        for file in files:
            try:
                onboarding.media_type_of(file)
            except ValidationError as error:
                errors.append(error)
        if errors:
            raise ValidationError(errors)
        return files


_KEPT_FOR_SECONDS = 86400
_SALT = "files of an application"


class ApplicationForm(forms.ModelForm):
    """What an applicant tells. `website` is a trap for programs: people do not see it."""

    documents = FilesField(
        label=gettext_lazy("Documents"),
        help_text=gettext_lazy(
            "Business licence and what else shows who you are: up to 5 files, PDF, PNG or JPEG, each of at most 10 MB."
        ),
    )
    # Files of this form that were right when something else was wrong: signed, so that nobody names another's.
    kept = forms.CharField(required=False, widget=forms.HiddenInput)
    website = forms.CharField(required=False)

    class Meta:
        model = MerchantApplication
        fields = (
            "company",
            "credit_code",
            "legal_representative",
            "contact_name",
            "contact_phone",
            "contact_email",
            "wanted_code",
            "remarks",
        )
        widgets = {"remarks": forms.Textarea(attrs={"rows": 3})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kept_documents = onboarding.kept_files(_kept_ids(self.data.get("kept", "")))
        if self.instance.pk or self.kept_documents:
            self.fields["documents"].required = False

    def clean(self) -> dict[str, Any]:
        """No more files than are taken, with those that were kept."""
        data = super().clean() or {}
        if len(data.get("documents", ())) + len(self.kept_documents) > onboarding.MAX_FILES:
            self.add_error("documents", _("Send at most %(most)d files.") % {"most": onboarding.MAX_FILES})
        return data

    def keep_files(self) -> None:
        """Keep the files that were sent, since something is wrong with the form; the page names them."""
        sent = self.files.getlist("documents") if hasattr(self.files, "getlist") else []
        room = onboarding.MAX_FILES - len(self.kept_documents)
        self.kept_documents += onboarding.keep_files(sent[:room])

    @property
    def kept_signed(self) -> str:
        """What the page sends back of them."""
        return signing.dumps([document.pk for document in self.kept_documents], salt=_SALT)

    def clean_credit_code(self) -> str:
        """Written in capitals, without blanks."""
        return self.cleaned_data["credit_code"].upper()

    def clean_website(self) -> str:
        """Raises ValidationError for a program that fills in every field."""
        if self.cleaned_data["website"]:
            raise ValidationError(_("Leave this field empty."))
        return ""

    @property
    def shown_fields(self) -> list[forms.BoundField]:
        """What people see."""
        return [field for field in self.visible_fields() if field.name != "website"]


def _kept_ids(text: str) -> list[int]:
    try:
        return list(signing.loads(text, salt=_SALT, max_age=_KEPT_FOR_SECONDS)) if text else []
    except signing.BadSignature:
        return []


class PasswordForm(forms.Form):
    """The password of a new merchant's first user, chosen by the applicant."""

    password = forms.CharField(
        label=gettext_lazy("Password"),
        strip=False,
        max_length=128,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label=gettext_lazy("Password once more"),
        strip=False,
        max_length=128,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        """Both the same, and good enough."""
        data = super().clean() or {}
        if data.get("password") and data.get("again"):
            if data["password"] != data["again"]:
                self.add_error("again", _("The two passwords are not the same."))
            else:
                try:
                    validate_password(data["password"])
                except ValidationError as error:
                    self.add_error("password", error)
        return data


@never_cache
@require_http_methods(["GET", "POST"])
def apply_view(request: HttpRequest, reference: str | None = None) -> HttpResponse:
    """The form; with the reference of a rejected application, that one to be changed."""
    application = _find(reference) if reference else None
    if application and application.state != ApplicationState.REJECTED:
        return redirect("application", reference=application.reference)
    # A copy of its own: what the form puts into it must not be saved past the service.
    form = ApplicationForm(request.POST or None, request.FILES or None, instance=application)
    status = 200
    if request.method == "POST":
        if form.is_valid():
            fields = {name: form.cleaned_data[name] for name in ApplicationForm.Meta.fields}
            try:
                saved = onboarding.submit(
                    fields,
                    form.cleaned_data["documents"],
                    address=_address(request),
                    reference=reference,
                    kept=form.kept_documents,
                )
            except OmsError as refusal:
                form.add_error(refusal.attr if refusal.attr in form.fields else None, str(refusal))
                status = refusal.status_code
                if not isinstance(refusal, onboarding.TooManyApplications):
                    form.keep_files()
            else:
                return redirect("application", reference=saved.reference)
        else:
            status = 400
            if "website" not in form.errors:
                form.keep_files()
    return render(request, "merchants/apply.html", {"form": form, "application": application}, status=status)


@never_cache
@require_http_methods(["GET"])
def application_view(request: HttpRequest, reference: str) -> HttpResponse:
    """What became of the application; the address is the applicant's only key to it."""
    return _shown(request, _find(reference), PasswordForm(), 200)


@never_cache
@require_http_methods(["POST"])
def password_view(request: HttpRequest, reference: str) -> HttpResponse:
    """Choose the password of the first user of an approved application, once."""
    application = _find(reference)
    form = PasswordForm(request.POST)
    if not form.is_valid():
        return _shown(request, application, form, 400)
    try:
        name = onboarding.choose_password(application, form.cleaned_data["password"])
    except OmsError as refusal:
        form.add_error(None, str(refusal))
        return _shown(request, application, form, refusal.status_code)
    messages.success(request, _("The password is set. Log in as %(name)s.") % {"name": name})
    return redirect("merchant:login")


def _shown(request: HttpRequest, application: MerchantApplication, form: PasswordForm, status: int) -> HttpResponse:
    first = onboarding.first_login(application)
    context = {
        "application": application,
        "first": first,
        "form": form,
        "password_rules": password_validators_help_texts(),
    }
    return render(request, "merchants/application.html", context, status=status)


def _address(request: HttpRequest) -> str | None:
    """Where the application comes from, if that is an address."""
    address = caller_address(request)
    try:
        validate_ipv46_address(address)
    except ValidationError:
        return None
    return address


def _find(reference: str) -> MerchantApplication:
    found = MerchantApplication.objects.filter(reference=reference).first()
    if found is None:
        raise Http404
    return found


urlpatterns = [
    path("", apply_view, name="apply"),
    path("<slug:reference>/", application_view, name="application"),
    path("<slug:reference>/change/", apply_view, name="application-change"),
    path("<slug:reference>/password/", password_view, name="application-password"),
]
