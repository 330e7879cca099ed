"""What keeps an installation running: the sandbox's memory, and signs of life."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class SandboxJob(models.Model):
    """What the sandbox's pretended outside world will do next, and when. One row a thing that it knows of."""

    class System(models.TextChoices):
        PAYMENT = "payment", _("Payment provider")
        WAREHOUSE = "warehouse", _("Warehouse")
        CARRIER = "carrier", _("Carrier")

    system = models.CharField(_("system"), max_length=12, choices=System.choices)
    reference = models.CharField(_("reference"), max_length=40)
    step = models.SmallIntegerField(_("step"), db_default=0)
    data = models.JSONField(_("data"), default=dict)
    connection_id = models.BigIntegerField(_("connection"), null=True)
    due_at = models.DateTimeField(_("due at"), null=True)
    created_at = models.DateTimeField(_("created at"), db_default=Now())

    class Meta:
        verbose_name = _("sandbox job")
        verbose_name_plural = _("sandbox jobs")
        constraints = [
            models.UniqueConstraint(fields=["reference", "system"], name="sandbox_job_knows_a_thing_once"),
        ]
        indexes = [models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="sandbox_job_queue")]

    def __str__(self) -> str:
        return f"{self.system} {self.reference}"


class Heartbeat(models.Model):
    """When something that must happen all the time happened last, such as beat's sweep of the stages."""

    name = models.CharField(_("name"), max_length=40, primary_key=True)
    seen_at = models.DateTimeField(_("seen at"), db_default=Now())

    class Meta:
        verbose_name = _("heartbeat")
        verbose_name_plural = _("heartbeats")
        permissions = [("see_pipeline", _("Can see how the stages of the pipeline stand"))]

    def __str__(self) -> str:
        return self.name
