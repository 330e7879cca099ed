"""Who may log in: passwords that must be changed, and attempts that failed."""

from axes.models import AccessAttempt
from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class OneTimePassword(models.Model):
    """That somebody else made the password of a user, who must choose another before doing anything."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, verbose_name=_("user"), on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    given_at = models.DateTimeField(_("given at"), db_default=Now())

    class Meta:
        verbose_name = _("one-time password")
        verbose_name_plural = _("one-time passwords")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.user_id)


class FailedLogIn(AccessAttempt):
    """What django-axes counts: wrong passwords by name, address and program. Deleting a row lets them try again."""

    class Meta:
        proxy = True
        verbose_name = _("failed log-in")
        verbose_name_plural = _("failed log-ins")
        default_permissions = ("view", "delete")

    def __str__(self) -> str:
        return f"{self.username} {self.ip_address}"
