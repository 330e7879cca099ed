"""Who may do what on the staff's pages: roles, second factors, and the log of what was done with them."""

from base64 import b32encode
from typing import Any
from urllib.parse import quote, urlencode

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_otp.models import Device, ThrottlingMixin
from django_otp.oath import TOTP

from oms.common.secrecy import SealedField, unseal

# Of the codes that authenticator apps show (RFC 6238): how far their clocks may be off, in steps of 30 seconds.
STEPS_OFF = 1


class Role(models.Model):
    """What a group of users is beside its rights: where its members begin their day, and whether a password is enough.

    One that came with the program has a `code`, by which it is called, and in `shipped` the rights that it came with
    last: what an administrator gave or took since then is the difference, and stays. Whose group was deleted is not
    made again.
    """

    group = models.OneToOneField(
        Group, verbose_name=_("group"), null=True, blank=True, on_delete=models.SET_NULL, related_name="role"
    )
    code = models.SlugField(_("code"), max_length=40, blank=True, default="", db_default="", editable=False)
    landing = models.CharField(
        _("first page"), max_length=80, blank=True, default="", db_default="", help_text=_("Empty: the dashboard.")
    )
    needs_second_factor = models.BooleanField(
        _("needs a second factor"),
        default=False,
        db_default=False,
        help_text=_("Members log in with a code of their authenticator app beside the password."),
    )
    shipped = models.JSONField(_("shipped rights"), default=list, blank=True, editable=False)

    class Meta:
        verbose_name = _("role")
        verbose_name_plural = _("roles")
        default_permissions = ()
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["code"],
                condition=~Q(code=""),
                name="role_code_is_unique",
                violation_error_message=_("Another role has this code."),
            ),
        ]

    def __str__(self) -> str:
        return self.code or str(self.group_id)


class Authenticator(ThrottlingMixin, Device):
    """The app in which a user sees the codes that are the second factor; its secret is sealed. Wrong codes make the
    next try wait, twice as long each time."""

    secret = SealedField(_("secret"), editable=False)
    last_step = models.BigIntegerField(_("step of the last code"), default=-1, db_default=-1, editable=False)

    class Meta:
        verbose_name = _("authenticator app")
        verbose_name_plural = _("authenticator apps")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["user"], name="authenticator_is_one_a_user")]

    def __str__(self) -> str:
        return str(self.user_id)

    def accept(self, token: str) -> bool:
        """Whether the code is right and was not used before; notes that it was tried. Lock the row first."""
        totp = TOTP(self._key)
        if token.isascii() and token.isdigit() and totp.verify(int(token), STEPS_OFF, self.last_step + 1):
            self.last_step = totp.t()
            self.throttle_reset()
            return True
        self.throttle_increment()
        return False

    def get_throttle_factor(self) -> int:
        """Seconds to wait after the first wrong code."""
        return settings.SECOND_FACTOR_THROTTLE_SECONDS

    @property
    def address(self) -> str:
        """What the app reads as a QR code."""
        issuer = str(settings.SECOND_FACTOR_ISSUER)
        asked = urlencode({"secret": self.typed_secret, "issuer": issuer})
        return f"otpauth://totp/{quote(issuer)}:{quote(self.user.get_username())}?{asked}"

    @property
    def typed_secret(self) -> str:
        """The secret as people type it into an app."""
        return b32encode(self._key).decode().rstrip("=")

    @property
    def _key(self) -> bytes:
        return bytes.fromhex(unseal(self.secret))


class RecoveryCode(models.Model):
    """A code that lets a user in once without the app; only its digest is kept."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("user"), on_delete=models.CASCADE, related_name="+"
    )
    digest = models.CharField(_("digest"), max_length=64, editable=False)
    used_at = models.DateTimeField(_("used at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("recovery code")
        verbose_name_plural = _("recovery codes")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["user", "digest"], name="recovery_code_is_unique")]

    def __str__(self) -> str:
        return str(self.user_id)


class SecurityEventKind(models.TextChoices):
    """What the security log tells."""

    LOGGED_IN = "logged_in", _("Logged in")
    LOG_IN_REFUSED = "log_in_refused", _("Log-in refused")
    LOGGED_OUT = "logged_out", _("Logged out")
    SESSION_ENDED = "session_ended", _("Session ended by itself")
    FACTOR_SET_UP = "factor_set_up", _("Second factor set up")
    FACTOR_REFUSED = "factor_refused", _("Wrong code of the second factor")
    FACTOR_RECOVERED = "factor_recovered", _("Recovery code used")
    FACTOR_REMOVED = "factor_removed", _("Second factor removed")
    PASSWORD_CHANGED = "password_changed", _("Password changed")
    RIGHTS_CHANGED = "rights_changed", _("Rights changed")
    REVEALED = "revealed", _("Personal data looked at")
    REVEAL_REFUSED = "reveal_refused", _("Personal data not shown: limit of the day")
    EXPORTED = "exported", _("Export asked for")
    EXPORT_REFUSED = "export_refused", _("Export refused: limit of the day")
    DOWNLOADED = "downloaded", _("File downloaded")
    PLATFORM_READ = "platform_read", _("Read by a program for the whole platform")


class SecurityEvent(models.Model):
    """Something done on the pages for people that must be found again: log-ins, looks at personal data, exports,
    changes of rights. Rows are only ever added; the user may be gone."""

    kind = models.CharField(_("what"), max_length=20, choices=SecurityEventKind.choices)
    at = models.DateTimeField(_("at"), db_default=Now(), editable=False)
    user_key = models.BigIntegerField(_("key of the user"), null=True, blank=True)
    person = models.CharField(_("who"), max_length=150)
    address = models.GenericIPAddressField(_("from where"), null=True, blank=True)
    subject_kind = models.CharField(_("kind of what it is about"), max_length=40, blank=True, db_default="")
    subject_id = models.BigIntegerField(_("key of what it is about"), null=True, blank=True)
    subject = models.CharField(_("about"), max_length=150, blank=True, db_default="")
    reason = models.CharField(_("reason"), max_length=40, blank=True, db_default="")
    note = models.CharField(_("note"), max_length=200, blank=True, db_default="")
    values = models.JSONField(_("values"), default=dict, blank=True)

    class Meta:
        verbose_name = _("entry of the security log")
        verbose_name_plural = _("security log")
        ordering = ["-id"]
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=SecurityEventKind.values), name="security_event_kind_is_known"),
            models.CheckConstraint(
                condition=~Q(kind=SecurityEventKind.REVEALED)
                | (~Q(reason="") & ~Q(person="") & Q(subject_id__isnull=False)),
                name="security_event_reveal_says_who_what_and_why",
            ),
        ]
        indexes = [
            models.Index(fields=["kind", "-id"], name="security_event_of_a_kind"),
            models.Index(fields=["person", "-id"], name="security_event_of_a_person"),
            models.Index(
                fields=["user_key", "at"],
                condition=Q(kind__in=[SecurityEventKind.REVEALED, SecurityEventKind.EXPORTED]),
                name="security_event_counted",
            ),
            models.Index(
                fields=["address", "at"],
                condition=Q(kind=SecurityEventKind.LOG_IN_REFUSED),
                name="security_event_refused",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.person}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Only ever added."""
        kwargs["force_insert"] = True
        super().save(*args, **kwargs)
