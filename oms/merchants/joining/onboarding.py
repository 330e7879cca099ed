"""How a company becomes a merchant: application, review, approval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common.codebook import ACTORS
from oms.common.errors import ChangedMeanwhile, OmsError
from oms.common.models import OneTimePassword
from oms.merchants.calls import credentials
from oms.merchants.joining import messages, people
from oms.merchants.joining.people import Taken
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
# So many files of forms with faults are kept at once, whoever sends them.
MOST_KEPT = 500
# By what a file begins with, not by what its name says: (first bytes, media type, extension).
_TYPES = (
    (b"%PDF-", "application/pdf", ".pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png", ".png"),
    (b"\xff\xd8\xff", "image/jpeg", ".jpg"),
)
APPLICANT = "applicant"
ACTORS.add({APPLICANT: gettext_lazy("Applicant")})


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


@dataclass(frozen=True, slots=True)
class Approved:
    """A new merchant with what is shown once: its credential, and the login of its first user."""

    merchant: Merchant
    issued: credentials.Issued
    username: str
    password: str


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


def keep_files(files: Sequence[UploadedFile]) -> list[ApplicationDocument]:
    """Keep files of a form that has other faults, so that they need not be chosen again; those that are wrong, and all
    where too many wait already, are left out. What is not used within a day is purged."""
    if ApplicationDocument.objects.filter(application=None).count() >= MOST_KEPT:
        return []
    return [_document(file, None) for file in files[:MAX_FILES] if _is_taken(file)]


def kept_files(ids: Sequence[int]) -> list[ApplicationDocument]:
    """The files of `keep_files` that are still there, and no application's yet."""
    return list(ApplicationDocument.objects.filter(pk__in=ids, application=None).order_by("pk")[:MAX_FILES])


def purge_kept_files() -> int:
    """Delete the files that nobody used within a day; returns how many."""
    old = ApplicationDocument.objects.filter(application=None, created_at__lt=timezone.now() - timedelta(days=1))
    for document in old:
        document.file.delete(save=False)
        document.delete()
    return len(old)


def _is_taken(file: UploadedFile) -> bool:
    try:
        media_type_of(file)
    except ValidationError:
        return False
    return True


def _document(file: UploadedFile, application: MerchantApplication | None) -> ApplicationDocument:
    media_type, extension = media_type_of(file)
    document = ApplicationDocument(
        application=application, name=(file.name or "")[-120:], media_type=media_type, size=file.size or 0
    )
    document.file.save(f"{uuid4().hex}{extension}", file, save=False)
    document.save()
    return document


def submit(
    fields: Mapping[str, str],
    files: Sequence[UploadedFile],
    *,
    address: str | None,
    reference: str | None = None,
    kept: Sequence[ApplicationDocument] = (),
) -> MerchantApplication:
    """Keep a new application with these files and those that were kept before, or change the rejected one of the
    reference and submit it again.

    Raises AppliedAlready, Taken, TooManyApplications, NotOpen, and ValidationError for a wrong file.
    """
    for file in files:
        media_type_of(file)
    if Merchant.objects.filter(code__iexact=fields["wanted_code"]).exists():
        text = _("The merchant code %(code)s is taken.") % {"code": fields["wanted_code"]}
        raise Taken(text, attr="wanted_code")
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
            for file in files:
                _document(file, application)
            ApplicationDocument.objects.filter(pk__in=[one.pk for one in kept], application=None).update(
                application=application
            )
            kind = MerchantEvent.Kind.RESUBMITTED if reference else MerchantEvent.Kind.SUBMITTED
            MerchantEvent.objects.create(application=application, kind=kind, actor=APPLICANT)
            application = MerchantApplication.objects.get(pk=application.pk)
            messages.came(application)
    except IntegrityError as error:
        if "application_of_a_company_is_open_once" in str(error):
            text = _("There is an application of this company already; please wait.")
            raise AppliedAlready(text, attr="credit_code") from error
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
    messages.decided(MerchantApplication.objects.get(pk=application.pk))


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
    """Make the merchant, its first channel, a credential, and its first user, an administrator of that login name (its
    code where none is given), so that nobody becomes a merchant that cannot log in. The applicant is told.

    Raises NotOpen, ChangedMeanwhile, and Taken where the code or the login name belongs to another.
    """
    username = username or code
    try:
        with transaction.atomic():
            application = _locked(application_id, *_OPEN, version=version)
            merchant = Merchant.objects.create(code=code, name=name, kind=kind, status=Merchant.Status.ACTIVE)
            Channel.objects.create(merchant=merchant, code=code, name=name)
            issued = credentials.issue(merchant, "api")
            password = people.add(merchant, username, email=application.contact_email)
            application.approve(merchant)
            application.save()
            MerchantEvent.objects.create(
                application=application, merchant=merchant, kind=MerchantEvent.Kind.APPROVED, actor=actor
            )
            messages.decided(MerchantApplication.objects.get(pk=application.pk), username=username)
    except IntegrityError as error:
        if "merchant_code_is_unique" in str(error):
            raise Taken(_("The merchant code %(code)s is taken.") % {"code": code}, attr="code") from error
        raise
    return Approved(merchant, issued, username, password)


def first_login(application: MerchantApplication) -> MerchantUser | None:
    """The first user of an approved application, as long as nobody has logged in as it: then the applicant may choose
    its password on the application's page."""
    if application.merchant_id is None:
        return None
    first = MerchantUser.objects.filter(merchant=application.merchant_id).select_related("user").order_by("pk").first()
    if first is None or first.user.last_login is not None or not first.user.is_active:
        return None
    return first if OneTimePassword.objects.filter(user=first.user_id).exists() else None


@transaction.atomic
def choose_password(application: MerchantApplication, password: str) -> str:
    """Set the password of the first user, which the applicant chose; returns its login name. Raises NotOpen where
    somebody logged in as it already, or the password was chosen."""
    Merchant.objects.select_for_update(no_key=True).filter(pk=application.merchant_id or 0).first()
    first = first_login(application)
    if first is None:
        raise NotOpen(_("The password was chosen already. Log in with it, or ask the operator for another."))
    first.user.set_password(password)
    first.user.save(update_fields=["password"])
    OneTimePassword.objects.filter(user=first.user_id).delete()
    return first.user.get_username()


_OPEN = (ApplicationState.SUBMITTED, ApplicationState.UNDER_REVIEW)


def _locked(application_id: int, *states: str, version: int | None = None) -> MerchantApplication:
    application = MerchantApplication.objects.select_for_update().get(pk=application_id)
    if application.state not in states:
        raise NotOpen(_("This application is %(state)s.") % {"state": application.get_state_display()})
    if version is not None and application.version != version:
        raise ChangedMeanwhile(_("The application was changed meanwhile. Look at it again."))
    return application
