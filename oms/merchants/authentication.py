"""Who calls the API: a bearer token of a merchant."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from oms.merchants.models import ApiCredential, Merchant

USE_IS_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ApiUser:
    """A merchant that calls the API, and the credential that it does so with."""

    merchant: Merchant
    credential: ApiCredential
    is_authenticated: bool = True


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>`, looked up by its SHA-256 together with the merchant.

    Raises AuthenticationFailed for a token that is unknown or withdrawn, or whose merchant may not use the API.
    """

    def authenticate(self, request: Request) -> tuple[ApiUser, ApiCredential] | None:
        """The merchant of the request's token, or None where it carries none."""
        scheme, _separator, token = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        found = ApiCredential.objects.select_related("merchant").filter(
            token_hash=ApiCredential.hash_token(token.strip()), is_active=True
        )
        credential = found.first()
        if credential is None:
            raise AuthenticationFailed(_("This token is not valid."))
        if credential.merchant.status != Merchant.Status.ACTIVE:
            raise AuthenticationFailed(_("This merchant may not use the API."))
        _note_use(credential)
        return ApiUser(credential.merchant, credential), credential

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return 'Bearer realm="OMS API"'


def _note_use(credential: ApiCredential) -> None:
    """Keep when the credential was last used, in at most one write a minute however many calls there are."""
    now = timezone.now()
    before = now - USE_IS_NOTED_EVERY
    if credential.last_used_at is None or credential.last_used_at < before:
        due = Q(last_used_at__isnull=True) | Q(last_used_at__lt=before)
        ApiCredential.objects.filter(due, pk=credential.pk).update(last_used_at=now)


class TokenScheme(OpenApiAuthenticationExtension):
    """How the OpenAPI schema describes the token."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """A plain HTTP bearer token."""
        return {"type": "http", "scheme": "bearer", "description": "The token that `manage.py create_token` printed."}
