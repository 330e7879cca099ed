"""Doing the same to many orders: a look at what would come of it, then a job that does each by itself.

Each order has its own result, and one that refuses stops no other. What can be taken back can be until some seconds
after the last order was done.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Prefetch, QuerySet
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inventory.models import Sku
from oms.common.errors import OmsError
from oms.common.models import Job, JobResult, JobState
from oms.common.work import jobs
from oms.common.work.jobs import JobKind, Turn
from orders.actors import Actor
from orders.changing import cancelling, undoing
from orders.changing.undoing import Click
from orders.models import ActorKind, Hold, Order, SubOrder, SubOrderState
from orders.reviewing import holds

# So many orders at once; of more, staff choose a part by the list's filters.
MOST_ORDERS = 5_000
# So many are looked at together, and done in one transaction.
_LOOKED_AT, _AT_ONCE = 500, 20
# What an order takes on a slow day, by which the time to take back is longer.
_SECONDS_AN_ORDER = 0.1
# So much longer than the time to take back what is done of the click waits while the rest is being done.
_BETWEEN_STEPS_SECONDS = 60
_SHORT = "cancel_short:"

HasRight = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class BulkAction:
    """Something that is done to many orders: what it is called, its right, why one order could not, and doing it."""

    name: str
    title: Any
    right: str
    obstacle: Callable[[Order, HasRight], str | None]
    run: Callable[[int, int, str, Actor, Click, HasRight], None]


def _open_holds(order: Order) -> list[Hold]:
    return [hold for hold in order.holds.all() if hold.released_at is None and hold.kind not in holds.ENDS_BY_ITSELF]


def _cannot_release(order: Order, has_right: HasRight) -> str | None:
    found = _open_holds(order)
    if not found:
        return _("It has no hold that a person may release.")
    return next(filter(None, (holds.release_obstacle(order, hold, has_right) for hold in found)), None)


def _release(order_id: int, version: int, reason: str, actor: Actor, click: Click, has_right: HasRight) -> None:
    rows = Hold.objects.filter(order=order_id, released_at=None).exclude(kind__in=holds.ENDS_BY_ITSELF)
    found = list(rows.order_by("id").values_list("pk", flat=True))
    if not found:
        raise OmsError(_("It has no hold that a person may release."))
    undoing.release_later(order_id, found, click, note=reason, actor=actor, version=version, has_right=has_right)


def _hold(order_id: int, version: int, reason: str, actor: Actor, click: Click, _has_right: HasRight) -> None:
    undoing.hold_now(order_id, click, reason=reason, actor=actor, version=version)


def _cancel(order_id: int, version: int, reason: str, actor: Actor, click: Click, _has_right: HasRight) -> None:
    undoing.cancel_later(order_id, click, reason=reason, actor=actor, version=version)


ACTIONS = {
    action.name: action
    for action in (
        BulkAction(
            "hold",
            gettext_lazy("Hold the selected orders"),
            "orders.hold_order",
            lambda order, _has_right: holds.hold_obstacle(order, order.sub_orders.all()),
            _hold,
        ),
        BulkAction(
            "release",
            gettext_lazy("Release the selected orders"),
            "orders.hold_order",
            _cannot_release,
            _release,
        ),
        BulkAction(
            "cancel",
            gettext_lazy("Cancel the selected orders"),
            "orders.cancel_order",
            lambda order, _has_right: cancelling.obstacle(order, order.sub_orders.all()),
            _cancel,
        ),
    )
}


def short_action(sku_id: int) -> BulkAction:
    """Cancelling the parts of orders that wait for units of a SKU; the others go on."""

    def lacking(parts: Iterable[SubOrder], sku: Sku | None) -> list[int]:
        return [
            part.pk
            for part in parts
            if sku and part.state == SubOrderState.BACKORDERED
            if part.merchant_id == sku.merchant_id and sku.code in (part.shortage or {})
        ]

    sku = Sku.objects.filter(pk=sku_id).first()

    def obstacle(order: Order, _has_right: HasRight) -> str | None:
        return None if lacking(order.sub_orders.all(), sku) else _("Nothing of it waits for this SKU any more.")

    def run(order_id: int, version: int, reason: str, actor: Actor, _click: Click, _has_right: HasRight) -> None:
        parts = lacking(SubOrder.objects.filter(order=order_id), sku)
        if not parts:
            raise OmsError(_("Nothing of it waits for this SKU any more."))
        cancelling.cancel_parts(order_id, parts, reason=reason, actor=actor, version=version)

    title = format_lazy("{} {}", gettext_lazy("Cancel what waits for"), sku.code if sku else "?")
    return BulkAction(f"{_SHORT}{sku_id}", title, "orders.cancel_order", obstacle, run)


def named(name: str) -> BulkAction | None:
    """The action of that name."""
    number = name.removeprefix(_SHORT)
    if number != name:
        return short_action(int(number)) if number.isascii() and number.isdigit() else None
    return ACTIONS.get(name)


def prepare(action: BulkAction, orders: QuerySet[Order], owner: Any) -> Job:
    """A draft of the job for these orders, with what would come of it: `cannot` of its parameters names those that
    refuse, each with its reason. Nothing is done. Raises OmsError for no orders and for more than MOST_ORDERS."""
    found = list(orders.order_by("pk").values_list("pk", "version")[: MOST_ORDERS + 1])
    if not found:
        raise OmsError(_("No order is selected any more."))
    if len(found) > MOST_ORDERS:
        raise OmsError(
            _("At most %(most)d orders at once: choose fewer by the filters of the list.") % {"most": MOST_ORDERS}
        )
    cannot = list(_refusals(action, [key for key, _version in found], owner.has_perm))
    return jobs.create(
        KIND, owner, state=JobState.DRAFT, params={"action": action.name, "orders": found, "cannot": cannot}
    )


def _refusals(action: BulkAction, order_ids: Sequence[int], has_right: HasRight) -> Iterator[tuple[int, str, str]]:
    """The id, number and reason of each order that would refuse. A few statements for every _LOOKED_AT orders."""
    parts = SubOrder.objects.select_related("warehouse").order_by("id")
    for start_at in range(0, len(order_ids), _LOOKED_AT):
        rows = Order.objects.filter(pk__in=order_ids[start_at : start_at + _LOOKED_AT]).order_by("pk")
        for order in rows.prefetch_related(Prefetch("sub_orders", parts), "holds"):
            obstacle = action.obstacle(order, has_right)
            if obstacle:
                yield order.pk, order.number, obstacle


def start(job_id: int, *, reason: str) -> bool:
    """Let the draft be done for this reason; False where somebody started it already. Raises OmsError without one."""
    said = reason.strip()
    if not said:
        raise OmsError(_("Give a reason."), attr="reason")
    return jobs.change_draft(job_id, {"reason": said[:200], "batch": str(uuid.uuid4())}, start=True)


def click_of(job: Job) -> Click:
    """What the job does belongs to one click."""
    count = len(job.params["orders"])
    seconds = float(settings.UNDO_SECONDS["bulk"])
    return Click(uuid.UUID(job.params["batch"]), seconds + count * _SECONDS_AN_ORDER if seconds else 0)


def _work(turn: Turn) -> bool:
    """Do the orders that are not done yet, some in each step."""
    job = turn.job
    asked, owner = job.params, job.owner
    action = named(asked["action"])
    assert action is not None  # noqa: S101 - whoever prepared it named it
    if not owner.is_active or not owner.has_perms(["orders.view_order", action.right]):
        raise OmsError(_("You do not have the right to do this."))
    actor = Actor(ActorKind.STAFF, owner.get_username()[:80])
    click, rows = click_of(job), asked["orders"]
    while job.done < len(rows):
        if turn.is_over():
            return False
        with turn.step():
            job.total = len(rows)
            some = rows[job.done : job.done + _AT_ONCE]
            numbers = dict(Order.objects.filter(pk__in=[key for key, _v in some]).values_list("pk", "number"))
            results = [
                _do(
                    job,
                    position,
                    numbers.get(key, f"#{key}"),
                    partial(action.run, key, version, asked["reason"], actor, click, owner.has_perm),
                )
                for position, (key, version) in enumerate(some, job.done + 1)
            ]
            JobResult.objects.bulk_create(results)
            job.done += len(results)
            job.failed += sum(result.outcome == JobResult.Outcome.REFUSED for result in results)
        if click.seconds:
            # However slow it is, the first can be taken back until some seconds after the last.
            is_last = job.done >= len(rows)
            undoing.keep_waiting(
                click.batch, float(settings.UNDO_SECONDS["bulk"]) + (0 if is_last else _BETWEEN_STEPS_SECONDS)
            )
    return True


def _do(job: Job, position: int, number: str, run: Callable[[], None]) -> JobResult:
    result = JobResult(job=job, position=position, key=number, outcome=JobResult.Outcome.DONE)
    try:
        with transaction.atomic():
            run()
    except OmsError as refusal:
        result.outcome = JobResult.Outcome.REFUSED
        result.errors = [{"code": refusal.code, "detail": str(refusal)}]
    except Order.DoesNotExist:
        result.outcome = JobResult.Outcome.REFUSED
        result.errors = [{"code": "not_found", "detail": _("There is no such order.")}]
    return result


KIND = jobs.register(JobKind("bulk_orders", gettext_lazy("Many orders at once"), "orders.view_order", _work))
