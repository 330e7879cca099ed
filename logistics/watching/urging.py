"""Urging a carrier or warehouse on, and raising what is late to somebody above: recorded, and noted on the ticket."""

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.translation import gettext as _

from logistics.carriers import urging as carriers
from logistics.models import AlertGroup, LogisticsAlert, Urging
from logistics.watching.grouping import LATE, SUBJECT
from oms.common import ticketing
from oms.common.errors import OmsError
from oms.common.models import Ticket

Means = Urging.Means


class GroupIsClosed(OmsError):
    """Nothing of it is late any more."""

    code = "alert_group_is_closed"


@transaction.atomic
def urge(group_id: int, *, means: str, text: str, user: AbstractBaseUser) -> Urging:
    """Record that the person urges whoever is late on with the open group, by phone or message, with what was said.

    Raises AlertGroup.DoesNotExist, GroupIsClosed, and OmsError for other means.
    """
    group = _lock(group_id)
    if means not in (Means.PHONE, Means.MESSAGE):
        raise OmsError(_("Say how it was urged."), attr="means")
    return _record(group, Means(means), text, user)


@transaction.atomic
def urge_over_connection(group_id: int, *, user: AbstractBaseUser) -> Urging:
    """Have the carriers of all that is late in the group asked over their connections to hurry it on; recorded with how
    many are asked for.

    Raises AlertGroup.DoesNotExist, GroupIsClosed, and OmsError where none can be asked for, or all are being asked for.
    """
    group = _lock(group_id)
    asked = carriers.ask(group.pk)
    if not asked:
        if carriers.can_be_asked(group.pk):
            raise OmsError(_("The carrier is being asked already; its answers come in a moment."))
        raise OmsError(_("Its carrier takes nothing of the kind over its connection. Ring or write instead."))
    return _record(group, Means.CONNECTION, "", user, count=asked)


@transaction.atomic
def escalate(group_id: int, *, text: str, user: AbstractBaseUser) -> Urging:
    """Raise all that is open of the group to the highest level. Raises AlertGroup.DoesNotExist and GroupIsClosed."""
    group = _lock(group_id)
    group.alerts.filter(closed_at=None).update(level=LogisticsAlert.Level.CRITICAL)
    return _record(group, Means.ESCALATION, text, user)


def _lock(group_id: int) -> AlertGroup:
    group = AlertGroup.objects.select_related("carrier").select_for_update(of=("self",)).get(pk=group_id)
    if group.closed_at is not None:
        raise GroupIsClosed(_("Nothing of this group is late any more."))
    return group


def _record(
    group: AlertGroup, means: Urging.Means, text: str, user: AbstractBaseUser, *, count: int | None = None
) -> Urging:
    phone = group.carrier.service_phone if group.carrier and means == Means.PHONE else ""
    urging = Urging.objects.create(
        group=group,
        means=means,
        phone=phone,
        text=text[:500],
        count=group.open_count if count is None else count,
        by=user.get_username(),
    )
    ticket = Ticket.objects.open().filter(kind=LATE.code, subject_kind=SUBJECT, subject_id=group.pk).first()
    if ticket is not None:
        words = [str(urging.get_means_display()), phone, text]
        ticketing.add_note(ticket.pk, text=" ".join(filter(None, words)), user=user)
    return urging
