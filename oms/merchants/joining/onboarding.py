"""How a company becomes a merchant: application, review, approval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.translation import gettext as _

from oms.common.errors import ChangedMeanwhile, OmsError
from oms.common.models import OneTimePassword
from oms.merchants.calls import credentials
from oms.merchants.models import (
    ApplicationDocument,
    ApplicationState,
    Channel,
    Merchant,
    MerchantApplication,
    MerchantEvent,
    MerchantUser,
)

MAX_FILE_BYTES = 10 * 1024 * 1024
MAX_FILES = 5
# By what a file begins with, not by what its name says: (first bytes, media type, extension).
_TYPES = (
    (b"%PDF-", "application/pdf", ".pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png", ".png"),
    (b"\xff\xd8\xff", "image/jpeg", ".jpg"),
)
APPLICANT = "applicant"


class AppliedAlready(OmsError):
    """The company has an application that is not decided yet."""

    code = "applied_already"


class TooManyApplications(OmsError):
    """One address sent too many applications within an hour."""

    code = "too_many_applications"
    status_code = 429


class NotOpen(OmsError):
    """The application is in a state that does not allow this."""

    code = "application_not_open"


class Taken(OmsError):
    """The code or the login name belongs to somebody else."""

    code = "taken"


@dataclass(frozen=True, slots=True)
class Approved:
    """A new merchant with what is shown once: its credential, and the login of its first user if one was wanted."""

    merchant: Merchant
    issued: credentials.Issued
    username: str | None
    password: str | None


def media_type_of(file: UploadedFile) -> tuple[str, str]:
    """Media type and extension of an uploaded file. Raises ValidationError for one that is too large or of no kind."""
    if not file.size or file.size > MAX_FILE_BYTES:
        detail = _("%(name)s is empty or larger than %(most)d MB.")
        raise ValidationError(detail % {"name": file.name, "most": MAX_FILE_BYTES // 2**20})
    file.seek(0)
    start = file.read(8)
    file.seek(0)
    for prefix, media_type, extension in _TYPES:
        if start.startswith(prefix):
            return media_type, extension
    raise ValidationError(_("%(name)s is no PDF, PNG or JPEG file.") % {"name": file.name})


def submit(
    fields: Mapping[str, str], files: Sequence[UploadedFile], *, address: str | None, reference: str | None = None
) -> MerchantApplication:
    """Keep a new application, or change the rejected one of the reference and submit it again.

    Raises AppliedAlready, TooManyApplications, NotOpen, and ValidationError for a wrong file.
    """
    kinds = [media_type_of(file) for file in files]
    try:
        with transaction.atomic():
            if address is not None:
                _check_rate(address)
            application = _rejected(reference) if reference else MerchantApplication()
            for name, value in fields.items():
                setattr(application, name, value)
            application.submitted_from = address
            application.submitted_at = timezone.now()
            if reference:
                application.resubmit()
            application.save()
            for file, (media_type, extension) in zip(files, kinds, strict=True):
                document = ApplicationDocument(
                    application=application, name=(file.name or "")[-120:], media_type=media_type, size=file.size or 0
                )
                document.file.save(f"{uuid4().hex}{extension}", file, save=False)
                document.save()
            kind = MerchantEvent.Kind.RESUBMITTED if reference else MerchantEvent.Kind.SUBMITTED
            MerchantEvent.objects.create(application=application, kind=kind, actor=APPLICANT)
    except IntegrityError as error:
        if "application_of_a_company_is_open_once" in str(error):
            raise AppliedAlready(_("There is an application of this company already; please wait.")) from error
        raise
    return application


def _check_rate(address: str) -> None:
    since = timezone.now() - timedelta(hours=1)
    if (
        MerchantApplication.objects.filter(submitted_from=address, submitted_at__gte=since).count()
        >= settings.APPLICATIONS_PER_HOUR
    ):
        raise TooManyApplications(_("Too many applications came from your address. Try again in an hour."))


def _rejected(reference: str) -> MerchantApplication:
    application = MerchantApplication.objects.select_for_update().get(reference=reference)
    if application.state != ApplicationState.REJECTED:
        raise NotOpen(_("This application cannot be changed now."))
    return application


@transaction.atomic
def start_review(application_id: int, *, actor: str) -> None:
    """Take the application in hand. Raises NotOpen."""
    application = _locked(application_id, ApplicationState.SUBMITTED)
    application.start_review()
    application.save()
    MerchantEvent.objects.create(application=application, kind=MerchantEvent.Kind.REVIEW_STARTED, actor=actor)


@transaction.atomic
def reject(application_id: int, *, reason: str, actor: str, version: int | None = None) -> None:
    """Send the application back with a reason. Raises NotOpen, and ChangedMeanwhile."""
    application = _locked(application_id, *_OPEN, version=version)
    application.reject(reason)
    application.save()
    MerchantEvent.objects.create(application=application, kind=MerchantEvent.Kind.REJECTED, actor=actor, note=reason)


def approve(
    application_id: int,
    *,
    code: str,
    name: str,
    kind: str,
    actor: str,
    username: str = "",
    version: int | None = None,
) -> Approved:
    """Make the merchant, its first channel and a credential, and a first user where a login name is given.

    Raises NotOpen, ChangedMeanwhile, and Taken where the code or the login name belongs to another.
    """
    try:
        with transaction.atomic():
            application = _locked(application_id, *_OPEN, version=version)
            merchant = Merchant.objects.create(code=code, name=name, kind=kind, status=Merchant.Status.ACTIVE)
            Channel.objects.create(merchant=merchant, code=code, name=name)
            issued = credentials.issue(merchant, "api")
            password = add_user(merchant, username) if username else None
            application.approve(merchant)
            application.save()
            MerchantEvent.objects.create(
                application=application, merchant=merchant, kind=MerchantEvent.Kind.APPROVED, actor=actor
            )
    except IntegrityError as error:
        if "merchant_code_is_unique" in str(error):
            raise Taken(_("The merchant code %(code)s is taken.") % {"code": code}) from error
        if "auth_user_username" in str(error):
            raise Taken(_("The login name %(name)s is taken.") % {"name": username}) from error
        raise
    return Approved(merchant, issued, username or None, password)


def add_user(merchant: Merchant, username: str) -> str:
    """Make a login of the merchant, without any right among staff; returns its password, which is shown once
    and must be changed at the first log-in."""
    password = get_random_string(16)
    user = get_user_model().objects.create_user(username, password=password)
    OneTimePassword.objects.create(user=user)
    MerchantUser.objects.create(user=user, merchant=merchant)
    return password


_OPEN = (ApplicationState.SUBMITTED, ApplicationState.UNDER_REVIEW)


def _locked(application_id: int, *states: str, version: int | None = None) -> MerchantApplication:
    application = MerchantApplication.objects.select_for_update().get(pk=application_id)
    if application.state not in states:
        raise NotOpen(_("This application is %(state)s.") % {"state": application.get_state_display()})
    if version is not None and application.version != version:
        raise ChangedMeanwhile(_("The application was changed meanwhile. Look at it again."))
    return application
