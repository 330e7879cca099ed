"""Who wants to sell here: applications, what was decided on them, and the people of a merchant."""

import secrets

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition
from stdnum.cn import uscc
from stdnum.exceptions import ValidationError as NumberError

from oms.common.models import Versioned
from oms.common.phones import PhoneField, normal_form
from oms.merchants.joining.roles import Role
from oms.merchants.models.merchant import Merchant

validate_merchant_code = RegexValidator(
    r"\A[0-9A-Za-z][0-9A-Za-z_-]{1,31}\Z", _("Use 2 to 32 letters, digits, - or _, beginning with a letter or digit.")
)


def validate_phone(text: str) -> None:
    """Raises ValidationError unless the text is a phone number."""
    if not normal_form(text):
        raise ValidationError(_("Give a Chinese phone number, such as 13800001111."))


def validate_credit_code(text: str) -> None:
    """Raises ValidationError unless the text is a unified social credit code whose check digit is right."""
    try:
        uscc.validate(text)
    except NumberError as error:
        detail = gettext(
            "This is no unified social credit code: 18 digits and letters, the last one checks the others."
        )
        raise ValidationError(detail) from error


def new_reference() -> str:
    """What an applicant finds the application again by; nobody can guess another's."""
    return f"A{secrets.token_hex(12)}"


class ApplicationState(models.TextChoices):
    """Where an application is."""

    SUBMITTED = "submitted", _("Submitted")
    UNDER_REVIEW = "under_review", _("Under review")
    APPROVED = "approved", _("Approved")
    REJECTED = "rejected", _("Rejected")


# What a company can become.
KINDS = [(kind.value, kind.label) for kind in (Merchant.Kind.SELF_OPERATED, Merchant.Kind.MARKETPLACE)]


class MerchantApplication(Versioned):
    """A company that wants to become a merchant; `joining.onboarding` does what a decision brings about."""

    reference = models.CharField(_("reference"), max_length=32, default=new_reference, editable=False)
    state = FSMField(_("state"), choices=ApplicationState.choices, default=ApplicationState.SUBMITTED, protected=True)
    company = models.CharField(_("company"), max_length=120)
    credit_code = models.CharField(
        _("unified social credit code"),
        max_length=18,
        validators=[validate_credit_code],
        help_text=_("18 digits and letters, as on the business licence."),
    )
    legal_representative = models.CharField(_("legal representative"), max_length=60)
    contact_name = models.CharField(_("contact"), max_length=60)
    contact_phone = PhoneField(_("phone"), max_length=20, validators=[validate_phone])
    contact_email = models.EmailField(_("e-mail"))
    wanted_code = models.CharField(
        _("wanted merchant code"),
        max_length=32,
        validators=[validate_merchant_code],
        help_text=_("Your short name in calls and files, such as ACME; it never changes."),
    )
    kind = models.CharField(_("kind"), max_length=20, choices=KINDS, default=Merchant.Kind.MARKETPLACE)
    remarks = models.TextField(_("remarks"), max_length=1000, blank=True)
    rejection_reason = models.CharField(_("reason of the rejection"), max_length=300, blank=True, editable=False)
    merchant = models.OneToOneField(
        Merchant,
        verbose_name=_("merchant"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="application",
    )
    submitted_from = models.GenericIPAddressField(_("submitted from"), null=True, editable=False)
    submitted_at = models.DateTimeField(_("submitted at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("merchant application")
        verbose_name_plural = _("merchant applications")
        ordering = ["-id"]
        permissions = [
            ("approve_merchantapplication", _("Can approve merchant applications")),
            ("reject_merchantapplication", _("Can reject merchant applications")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["reference"], name="application_reference_is_unique"),
            models.CheckConstraint(condition=Q(state__in=ApplicationState.values), name="application_state_is_known"),
            models.CheckConstraint(
                condition=Q(kind__in=[kind for kind, _label in KINDS]), name="application_kind_is_known"
            ),
            models.CheckConstraint(
                condition=Q(state=ApplicationState.APPROVED, merchant__isnull=False)
                | (~Q(state=ApplicationState.APPROVED) & Q(merchant__isnull=True)),
                name="application_has_a_merchant_once_approved",
            ),
            models.CheckConstraint(
                condition=~Q(state=ApplicationState.REJECTED) | ~Q(rejection_reason=""),
                name="application_is_rejected_for_a_reason",
            ),
            models.UniqueConstraint(
                fields=["credit_code"],
                condition=Q(state__in=[ApplicationState.SUBMITTED, ApplicationState.UNDER_REVIEW]),
                name="application_of_a_company_is_open_once",
            ),
        ]
        indexes = [models.Index(fields=["submitted_from", "submitted_at"], name="application_by_address")]

    def __str__(self) -> str:
        return self.company

    @transition(state, source=ApplicationState.SUBMITTED, target=ApplicationState.UNDER_REVIEW)
    def start_review(self) -> None:
        """Somebody looks at it."""

    @transition(
        state, source=[ApplicationState.SUBMITTED, ApplicationState.UNDER_REVIEW], target=ApplicationState.APPROVED
    )
    def approve(self, merchant: Merchant) -> None:
        """The company is a merchant now."""
        self.merchant = merchant

    @transition(
        state, source=[ApplicationState.SUBMITTED, ApplicationState.UNDER_REVIEW], target=ApplicationState.REJECTED
    )
    def reject(self, reason: str) -> None:
        """Not like this; the applicant may change it and submit it again."""
        self.rejection_reason = reason

    @transition(state, source=ApplicationState.REJECTED, target=ApplicationState.SUBMITTED)
    def resubmit(self) -> None:
        """The applicant changed it."""


class ApplicationDocument(models.Model):
    """A file of an application; of none while its form has other faults. It lies in MEDIA_ROOT, where no address leads,
    and only staff are served it."""

    application = models.ForeignKey(
        MerchantApplication,
        verbose_name=_("merchant application"),
        null=True,
        on_delete=models.CASCADE,
        related_name="documents",
    )
    file = models.FileField(_("file"), upload_to="applications/", max_length=120)
    name = models.CharField(_("name"), max_length=120)
    media_type = models.CharField(_("media type"), max_length=40)
    size = models.PositiveIntegerField(_("size in bytes"))
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name


class MerchantEvent(models.Model):
    """What was done about an application or a merchant, by whom and why. Rows are only added."""

    class Kind(models.TextChoices):
        SUBMITTED = "submitted", _("Submitted")
        RESUBMITTED = "resubmitted", _("Submitted again")
        REVIEW_STARTED = "review_started", _("Review started")
        APPROVED = "approved", _("Approved")
        REJECTED = "rejected", _("Rejected")
        SUSPENDED = "suspended", _("Suspended")
        RESUMED = "resumed", _("Resumed")
        PERSON_ADDED = "person_added", _("Colleague added")
        PERSON_CHANGED = "person_changed", _("Colleague changed")
        PERSON_REMOVED = "person_removed", _("Colleague removed")

    application = models.ForeignKey(
        MerchantApplication,
        verbose_name=_("merchant application"),
        null=True,
        on_delete=models.PROTECT,
        related_name="events",
    )
    merchant = models.ForeignKey(
        Merchant, verbose_name=_("merchant"), null=True, on_delete=models.PROTECT, related_name="events"
    )
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    actor = models.CharField(_("actor"), max_length=150)
    note = models.CharField(_("note"), max_length=300, blank=True)
    created_at = models.DateTimeField(_("at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("merchant event")
        verbose_name_plural = _("merchant events")
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(application__isnull=False) | Q(merchant__isnull=False),
                name="merchant_event_is_about_something",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.actor}"


class MerchantUser(models.Model):
    """Somebody of a merchant, who may log in to the merchants' pages and sees that merchant's data only."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, verbose_name=_("user"), on_delete=models.CASCADE, related_name="merchant_user"
    )
    merchant = models.ForeignKey(Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="users")
    role = models.CharField(
        _("role"),
        max_length=16,
        choices=Role.choices,
        default=Role.ADMINISTRATOR,
        help_text=_("What they may do on the merchant's pages."),
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("merchant user")
        verbose_name_plural = _("merchant users")
        ordering = ["merchant", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(role__in=Role.values), name="merchant_user_role_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.merchant.code})"

    def clean(self) -> None:
        """Raises ValidationError for a member of staff: the two see different things."""
        if self.user_id and self.user.is_staff:
            raise ValidationError({"user": gettext("A member of staff cannot be a merchant's user.")})
