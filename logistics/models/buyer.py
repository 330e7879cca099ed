"""Buyers' tries to prove that an order is theirs."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from orders.models import Order


class PhoneCheck(models.Model):
    """How often the end of a phone was given for an order since some moment, so that nobody can try all of them."""

    order = models.OneToOneField(Order, verbose_name=_("order"), primary_key=True, on_delete=models.CASCADE)
    tries = models.PositiveIntegerField(_("tries"))
    since = models.DateTimeField(_("since"))

    class Meta:
        verbose_name = _("check of a phone")
        verbose_name_plural = _("checks of phones")

    def __str__(self) -> str:
        return str(self.pk)
