"""The public page on which a company applies to become a merchant, and looks at what became of it."""

from collections.abc import Sequence
from typing import Any

from django import forms
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


class ApplicationForm(forms.ModelForm):
    """What an applicant tells. `website` is a trap for programs: people do not see it."""

    documents = FilesField(
        label=gettext_lazy("Documents"),
        help_text=gettext_lazy("Business licence and what else shows who you are: up to 5 files, PDF, PNG or JPEG."),
    )
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
            "kind",
            "remarks",
        )
        widgets = {"remarks": forms.Textarea(attrs={"rows": 3})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["documents"].required = False

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
                )
            except OmsError as refusal:
                form.add_error(None, str(refusal))
                status = refusal.status_code
            else:
                return redirect("application", reference=saved.reference)
        else:
            status = 400
    return render(request, "merchants/apply.html", {"form": form, "application": application}, status=status)


@never_cache
@require_http_methods(["GET"])
def application_view(request: HttpRequest, reference: str) -> HttpResponse:
    """What became of the application; the address is the applicant's only key to it."""
    application = _find(reference)
    return render(request, "merchants/application.html", {"application": application})


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
]
