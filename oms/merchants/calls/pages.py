"""The pages on which credentials are made, changed and withdrawn; of the staff and of the merchants themselves."""

from collections.abc import Callable, Collection
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display
from unfold.widgets import UnfoldBooleanSwitchWidget

from oms.common.desk import acting
from oms.common.desk.fields import NetworksField
from oms.common.desk.lists import KeysetAdmin
from oms.common.templatetags.staff import badge
from oms.merchants.calls import credentials, scopes
from oms.merchants.models import ApiCredential, CredentialSecret


class CredentialForm(forms.ModelForm):
    """What may be chosen of a credential."""

    offered: ClassVar[Collection[str]] = tuple(scopes.LABELS)

    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("Scopes"),
        widget=forms.CheckboxSelectMultiple,
        initial=list(scopes.ALL),
        help_text=gettext_lazy("What programs with this credential may do."),
    )
    allowed_networks = NetworksField(
        label=gettext_lazy("Allowed addresses"),
        required=False,
        help_text=gettext_lazy("Addresses or networks that may call, such as 203.0.113.0/24, one a line; empty: any."),
    )
    with_token = forms.BooleanField(
        label=gettext_lazy("With a bearer token"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=gettext_lazy("For programs that cannot sign. A token that leaks can be used by anybody."),
    )

    class Meta:
        model = ApiCredential
        fields = ("merchant", "name", "scopes", "allowed_networks", "calls_per_minute")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "scopes" in self.fields:  # not on the page of a revoked one
            # In the language of the request.
            self.fields["scopes"].choices = [  # type: ignore[attr-defined]
                (scope, f"{scope} – {label}") for scope, label in scopes.LABELS.items() if scope in self.offered
            ]

    def clean(self) -> dict[str, Any]:
        """No scope that the merchant cannot have."""
        data = super().clean() or {}
        merchant = data.get("merchant") or (self.instance.merchant if self.instance.merchant_id else None)
        if merchant and data.get("scopes"):
            try:
                credentials.check_scopes_of(merchant, data["scopes"])
            except ValidationError as error:
                self.add_error("scopes", error)
        return data


class OwnCredentialForm(CredentialForm):
    """What merchants may choose themselves."""

    offered = scopes.ALL


class CredentialPages(KeysetAdmin):
    """Keys are issued here with a secret that is shown once; after that secrets are added and retired, and the key
    revoked, each by its own POST.
    """

    form = CredentialForm
    may_add = may_change = True
    search_fields = ("app_key", "prefix", "name")
    list_select_related = ("merchant",)
    change_form_outer_after_template = "admin/merchants/apicredential/secrets.html"
    add_fields: ClassVar[tuple[str, ...]]
    change_fields: ClassVar[tuple[str, ...]]

    @display(description=gettext_lazy("state"))
    def works(self, credential: ApiCredential) -> SafeString:
        """Whether it works."""
        if credential.revoked_at:
            return badge(_("Revoked"), "danger", "block")
        return badge(_("Active"), "success", "check_circle")

    def get_urls(self) -> list[URLPattern]:
        """Each action has its own address."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        wrap = self.admin_site.admin_view
        return [
            path("<int:credential_id>/secrets/add/", wrap(self.add_secret_view), name=f"{name}_add_secret"),
            path(
                "<int:credential_id>/secrets/<int:secret_id>/retire/",
                wrap(self.retire_secret_view),
                name=f"{name}_retire_secret",
            ),
            path("<int:credential_id>/revoke/", wrap(self.revoke_view), name=f"{name}_revoke"),
            *super().get_urls(),
        ]

    def get_fields(self, request: HttpRequest, obj: ApiCredential | None = None) -> tuple[str, ...]:
        """What can be chosen; on the page of one that exists also what it is known by."""
        if obj is None:
            return self.add_fields
        return (*self.change_fields, "works", "created_at", "last_used_at")

    def get_readonly_fields(self, request: HttpRequest, obj: ApiCredential | None = None) -> tuple[str, ...]:
        """A revoked one stays as it was."""
        if obj is None:
            return ()
        fixed = ("merchant", "app_key", "prefix", "works", "created_at", "last_used_at")
        return (*self.change_fields, *fixed) if obj.revoked_at else fixed

    def save_model(self, request: HttpRequest, obj: ApiCredential, form: Any, change: bool) -> None:
        """A new credential gets its secret, which the answer shows and nothing keeps readable."""
        if change:
            obj.save(update_fields=[name for name in form.changed_data if name != "with_token"])
            return
        issued = credentials.issue(
            obj.merchant,
            obj.name,
            scopes=obj.scopes,
            allowed_networks=obj.allowed_networks,
            calls_per_minute=obj.calls_per_minute,
            with_token=form.cleaned_data["with_token"],
        )
        obj.__dict__.update(issued.credential.__dict__)
        request._issued = issued  # type: ignore[attr-defined]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form of a new one; back to the list, which shows what can be revoked, where there are too many."""
        try:
            return super().add_view(request, form_url, extra_context)
        except credentials.TooManyCredentials as refusal:
            messages.error(request, str(refusal))
            return redirect(f"{self.admin_site.name}:merchants_apicredential_changelist")

    def response_add(
        self, request: HttpRequest, obj: ApiCredential, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the secret, this once; it goes through no cookie and no message store."""
        issued = request._issued  # type: ignore[attr-defined]
        return self.show_once(request, issued.credential, issued.secret, issued.token)

    def show_once(
        self, request: HttpRequest, credential: ApiCredential, secret: str, token: str | None = None
    ) -> HttpResponse:
        """The page with what nobody can read again."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": credential,
            "title": credential.name,
            "credential": credential,
            "secret": secret,
            "token": token,
            "back": reverse(f"{self.admin_site.name}:merchants_apicredential_changelist"),
        }
        response = TemplateResponse(request, "admin/merchants/apicredential/issued.html", context)
        response["Cache-Control"] = "no-store"
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The credential with its secrets."""
        credential = self.get_object(request, object_id)
        secrets = list(credential.secrets.all()) if credential else []
        context = {
            "credential": credential,
            "secrets": secrets,
            "may_add_secret": sum(1 for secret in secrets if not secret.retired_at) < len(CredentialSecret.SLOTS),
            "may_change": credential is not None
            and not credential.revoked_at
            and self.has_change_permission(request, credential),
            "site": self.admin_site.name,
            **(extra_context or {}),
        }
        return super().change_view(request, object_id, form_url, context)

    def add_secret_view(self, request: HttpRequest, credential_id: int) -> HttpResponse:
        """Give the credential a second secret and show it once."""

        def add(credential: ApiCredential) -> HttpResponse:
            return self.show_once(request, credential, credentials.add_secret(credential.pk))

        return self._act(request, credential_id, add)

    def retire_secret_view(self, request: HttpRequest, credential_id: int, secret_id: int) -> HttpResponse:
        """Let a secret work no more."""

        def retire(credential: ApiCredential) -> str:
            credentials.retire_secret(credential.pk, secret_id)
            return _("The secret works no more.")

        return self._act(request, credential_id, retire)

    def revoke_view(self, request: HttpRequest, credential_id: int) -> HttpResponse:
        """Let the credential work no more."""

        def revoke(credential: ApiCredential) -> str:
            credentials.revoke(credential.pk)
            return _("The credential is revoked.")

        return self._act(request, credential_id, revoke)

    def _act(
        self, request: HttpRequest, credential_id: int, do: Callable[[ApiCredential], HttpResponse | str]
    ) -> HttpResponse:
        """Do it to a credential that the person may see and change; others are not there."""
        credential = self.get_object(request, str(credential_id))
        if credential is None:
            raise Http404
        return acting.act(
            request,
            lambda _data: do(credential),
            may=self.has_change_permission(request, credential),
            page=reverse(f"{self.admin_site.name}:merchants_apicredential_change", args=[credential_id]),
        )
