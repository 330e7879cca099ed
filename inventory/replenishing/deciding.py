"""What people decide: suggestions approved and rejected, alert lines snoozed. Policies are locked before suggestions,
each in the order of their ids, as by who watches them."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from inventory.models import ReplenishmentPolicy, ReplenishmentSuggestion, SuggestionState
from inventory.models.replenishing import LONGEST_SNOOZE
from inventory.replenishing import acting, watching
from oms.common.errors import ChangedMeanwhile, OmsError

LONGEST_REASON = 200


class NotOpen(OmsError):
    """Somebody decided it already, or it is no longer needed."""

    code = "not_open"


@transaction.atomic
def approve(suggestion_ids: Collection[int], *, actor: str, version: int | None = None) -> dict[int, OmsError]:
    """Act on the suggestions; returns why some were not acted on, by id. `version` is that of a single one."""
    locked = _lock(suggestion_ids, version)
    is_open = [one for one in locked if one.state == SuggestionState.OPEN]
    return _not_open(suggestion_ids, is_open) | acting.act(is_open, actor=actor)


@transaction.atomic
def reject(
    suggestion_ids: Collection[int], *, reason: str, actor: str, version: int | None = None
) -> dict[int, OmsError]:
    """Do nothing about them; returns why some could not be rejected, by id. Raises OmsError without a reason."""
    text = reason.strip()
    if not text:
        raise OmsError(_("Give a reason."), attr="reason")
    if len(text) > LONGEST_REASON:
        raise OmsError(_("A reason has at most %(most)d characters.") % {"most": LONGEST_REASON}, attr="reason")
    is_open = [one for one in _lock(suggestion_ids, version) if one.state == SuggestionState.OPEN]
    ReplenishmentSuggestion.objects.filter(pk__in=[one.pk for one in is_open]).update(
        state=SuggestionState.REJECTED, reason=text, decided_at=Now(), decided_by=actor
    )
    return _not_open(suggestion_ids, is_open)


@transaction.atomic
def snooze(policy_id: int, *, until: datetime | None, actor: str, version: int | None = None) -> ReplenishmentPolicy:
    """Tell and suggest nothing before `until` (None: from now on again). What is open about it is closed.

    Raises OmsError unless `until` is within the next LONGEST_SNOOZE, and ChangedMeanwhile for a stale version.
    """
    now = timezone.now()
    if until is not None and not now < until <= now + LONGEST_SNOOZE:
        raise OmsError(
            _("Choose a moment within the next %(days)s days.") % {"days": LONGEST_SNOOZE.days}, attr="until"
        )
    policy = ReplenishmentPolicy.objects.select_for_update(no_key=True).get(pk=policy_id)
    _check(policy.version, version)
    ReplenishmentPolicy.objects.filter(pk=policy_id).update(snoozed_until=until, changed_by=actor, changed_at=Now())
    if until is not None:
        watching.end_dips([policy_id], by=actor)
    return ReplenishmentPolicy.objects.get(pk=policy_id)


def _lock(suggestion_ids: Collection[int], version: int | None) -> list[ReplenishmentSuggestion]:
    wanted = ReplenishmentSuggestion.objects.filter(pk__in=suggestion_ids)
    policies = ReplenishmentPolicy.objects.filter(pk__in=wanted.values("policy")).order_by("pk")
    list(policies.select_for_update(no_key=True).values_list("pk", flat=True))
    related = wanted.select_related("policy__sku__merchant", "policy__warehouse", "source").order_by("pk")
    locked = list(related.select_for_update(no_key=True, of=("self",)))
    for one in locked:
        _check(one.version, version)
    return locked


def _check(actual: int, version: int | None) -> None:
    if version is not None and actual != version:
        raise ChangedMeanwhile(_("Somebody else changed this meanwhile. Read it again and repeat if need be."))


def _not_open(wanted: Collection[int], is_open: Collection[ReplenishmentSuggestion]) -> dict[int, OmsError]:
    missing = set(wanted) - {one.pk for one in is_open}
    return {key: NotOpen(_("This suggestion was decided already, or is no longer needed.")) for key in missing}
