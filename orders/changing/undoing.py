"""Taking back: what staff do to orders waits for some seconds, and until then can be undone.

The stage does what nobody took back. It and who takes back both lock the order first and then the action, so that
exactly one of them wins. Where the wait is 0 seconds, things are done at once and nothing can be taken back.
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection, transaction
from django.db.models import OuterRef
from django.db.models.functions import JSONObject, Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common import tickets
from oms.common.copying import array
from oms.common.errors import OmsError
from oms.common.models import Team
from oms.common.tickets import TicketKind, Trouble, register_kind
from oms.common.work import clock, nudging
from oms.common.work.claiming import Stage
from orders import isolating, kinds
from orders.actors import Actor
from orders.changing import choosing, reasons
from orders.changing.choosing import WHOLE, Selection
from orders.changing.reasons import Why
from orders.locking import lock_order
from orders.models import ActorKind, Hold, Order, OrderState, UndoableAction
from orders.reviewing import holds, words
from orders.telling import timeline

NAME = "do_later"
Kind = UndoableAction.Kind
State = UndoableAction.State
# So many orders are done in one transaction; each takes some statements of its own, as any cancellation.
MOST_AT_ONCE = 100

NOT_DONE = register_kind(
    TicketKind(
        "not_done_later",
        gettext_lazy("A cancellation or release came too late"),
        tickets.ABOUT,
        team=Team.SERVICE,
        due_within=timedelta(hours=1),
        reasons={
            "cancel": gettext_lazy("The order could not be cancelled any more when the time to take it back was over."),
            "release": gettext_lazy("A hold could not be released when the time to take it back was over."),
        },
        remedies=gettext_lazy("Look at the order and do what is still possible, then close the ticket."),
    )
)


class CannotTakeBack(OmsError):
    """It is done already, or was taken back before."""

    code = "cannot_take_back"


@dataclass(frozen=True, slots=True)
class Click:
    """What belongs together: all actions of one click, and for how many seconds they can be taken back."""

    batch: uuid.UUID
    seconds: float

    @classmethod
    def of(cls, action: str) -> "Click":
        """A new one; `action` is a name in settings.UNDO_SECONDS."""
        return cls(uuid.uuid4(), float(settings.UNDO_SECONDS[action]))


@transaction.atomic
def cancel_later(
    order_id: int,
    click: Click,
    selection: Selection = WHOLE,
    *,
    reason: str | Why,
    actor: Actor,
    version: int | None = None,
    stamp: str | None = None,
    restocks: bool = True,
    tells_buyer: bool = False,
) -> Order:
    """Cancel what is selected, as `choosing.cancel` does, once nobody can take it back any more; the order is held
    until then.

    Raises CannotCancel, ChangedMeanwhile, or OmsError for an empty reason or what is wrong with the selection.
    """
    why = reasons.understood(reason)
    how = {"restocks": restocks, "tells_buyer": tells_buyer}
    if not click.seconds:
        return choosing.cancel(order_id, selection, reason=why, actor=actor, version=version, stamp=stamp, **how)
    # What would be refused is refused now.
    tried = transaction.savepoint()
    choosing.cancel(order_id, selection, reason=why, actor=actor, version=version, stamp=stamp, **how)
    transaction.savepoint_rollback(tried)
    _refuse_second(order_id, Kind.CANCEL)
    hold = holds.open_hold(order_id, Hold.Kind.UNDO, reason=why.text, by=actor)
    timeline.record(order_id, kinds.HELD, actor, **words.data_of(hold))
    details = {"selection": asdict(selection), "code": why.code, "cause": why.cause, **how}
    _wait(order_id, Kind.CANCEL, click, [hold.pk], why.text, actor, details)
    return Order.objects.get(pk=order_id)


@transaction.atomic
def release_later(
    order_id: int,
    hold_ids: Sequence[int],
    click: Click,
    *,
    note: str,
    actor: Actor,
    version: int | None = None,
    has_right: holds.HasRight | None = None,
) -> None:
    """Release these holds of the order once nobody can take it back any more; they stay until then.

    Raises CannotRelease where somebody with these rights could not release one now; ChangedMeanwhile.
    """
    order = lock_order(order_id, version=version)
    found = list(Hold.objects.filter(pk__in=hold_ids, order=order_id).order_by("id"))
    for hold in found:
        obstacle = holds.release_obstacle(order, hold, has_right)
        if obstacle:
            raise holds.CannotRelease(obstacle)
    if not click.seconds:
        for hold in found:
            holds.release_hold(hold.pk, note=note, actor=actor, has_right=has_right)
        return
    _refuse_second(order_id, Kind.RELEASE)
    _wait(order_id, Kind.RELEASE, click, [hold.pk for hold in found], note.strip()[:300], actor)


@transaction.atomic
def hold_now(order_id: int, click: Click, *, reason: str, actor: Actor, version: int | None = None) -> None:
    """Hold the order at once, as `holds.hold_order` does; taking back releases the hold."""
    hold = holds.hold_order(order_id, reason=reason, actor=actor, version=version)
    if click.seconds:
        # The hold of an earlier click can be taken back no longer.
        UndoableAction.objects.filter(order=order_id, kind=Kind.HOLD, state=State.WAITING).update(
            state=State.DONE, ended_at=Now()
        )
        _wait(order_id, Kind.HOLD, click, [hold.pk], reason.strip()[:300], actor)


def _refuse_second(order_id: int, kind: Kind) -> None:
    if UndoableAction.objects.filter(order=order_id, kind=kind, state=State.WAITING).exists():
        raise OmsError(_("This is about to be done already; it can be taken back on the order's page."))


def _wait(
    order_id: int, kind: Kind, click: Click, hold_ids: Sequence[int], reason: str, actor: Actor, details: Any = None
) -> None:
    UndoableAction.objects.create(
        order_id=order_id,
        kind=kind,
        batch=click.batch,
        hold_ids=list(hold_ids),
        reason=reason,
        actor_kind=actor.kind,
        actor=actor.name,
        details=details,
        not_before=Now() + timedelta(seconds=click.seconds),
    )


def keep_waiting(batch: uuid.UUID, seconds: float) -> None:
    """See to it that what still waits of the click waits for `seconds` from now at least: for a click that is long in
    being carried out, of which all can be taken back until some seconds after the last. One statement; what somebody
    is doing or taking back just now is left alone."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE orders_undoableaction SET not_before = now() + make_interval(secs => %(seconds)s)
            WHERE id IN (
                SELECT id FROM orders_undoableaction
                WHERE batch = %(batch)s AND state = '{State.WAITING}'
                  AND not_before > now() AND not_before < now() + make_interval(secs => %(seconds)s)
                ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
            )
            """,
            {"batch": batch, "seconds": seconds},
        )


# --- Taking back


def rights(batch: uuid.UUID) -> set[str]:
    """The rights that taking back what belongs to the click needs: those that doing it needed."""
    of_kinds = UndoableAction.objects.filter(batch=batch).order_by().values_list("kind", flat=True).distinct()
    return {"orders.cancel_order" if kind == Kind.CANCEL else "orders.hold_order" for kind in of_kinds}


def take_back(batch: uuid.UUID, *, actor: Actor) -> tuple[list[str], list[str]]:
    """Take back all of a click that is not done yet, order by order; returns the numbers of the orders that are as they
    were, and of those for which it came too late."""
    rows = UndoableAction.objects.filter(batch=batch).order_by("order_id", "id")
    back, late = [], []
    for key, number in rows.values_list("pk", "order__number"):
        try:
            _take_back(key, actor)
        except CannotTakeBack:
            late.append(number)
        else:
            back.append(number)
    if back:
        nudging.nudge("review", "split", "allocate", "release", "dispatch")
    return back, late


@transaction.atomic
def _take_back(action_id: int, actor: Actor) -> None:
    lock_order(UndoableAction.objects.values_list("order_id", flat=True).get(pk=action_id))
    action = UndoableAction.objects.select_for_update(no_key=True, of=("self",)).get(pk=action_id)
    if action.state != State.WAITING:
        raise CannotTakeBack(_("It is done already, or was taken back before."))
    if action.kind != Kind.RELEASE:
        for hold in Hold.objects.filter(pk__in=action.hold_ids, released_at=None):
            holds.close_hold(hold, note=words.TAKEN_BACK, actor=actor)
    _end(action, State.TAKEN_BACK)
    timeline.record(action.order_id, kinds.TAKEN_BACK, actor, action=str(action.kind), reason=action.reason)


def _end(action: UndoableAction, state: State) -> None:
    UndoableAction.objects.filter(pk=action.pk).update(state=state, ended_at=Now())


def of_order() -> ArraySubquery:
    """What can still be taken back, as a column of a query over orders."""
    waiting = UndoableAction.objects.filter(order=OuterRef("pk"), state=State.WAITING).order_by("id")
    fields = ("kind", "batch", "actor", "not_before")
    return ArraySubquery(waiting.values(json=JSONObject(**{name: name for name in fields})))


# --- Doing it


def _due() -> str:
    return f"q.state = '{State.WAITING}' AND q.not_before <= {clock.horizon()}"


def run(limit: int) -> int:
    """Do up to `limit` of what nobody took back; returns how many."""
    with connection.cursor() as cursor:
        # The order is locked before its action, so this only reads.
        cursor.execute(
            f"SELECT q.id, q.order_id FROM orders_undoableaction q WHERE {_due()} ORDER BY q.not_before, q.id LIMIT %s",
            [min(limit, MOST_AT_ONCE)],
        )
        found = cursor.fetchall()
    return isolating.work_on(NAME, found, _do)


def backlog() -> str:
    """What is to be done now."""
    return (
        f"SELECT q.not_before AS due, {isolating.needs_person('q.order_id')} AS needs_person"
        f" FROM orders_undoableaction q WHERE {_due()}"
    )


def _do(action_ids: list[int], _order_ids: list[int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT q.id FROM orders_undoableaction q WHERE q.id = ANY(%s::bigint[]) AND {_due()}"
            " ORDER BY q.id FOR NO KEY UPDATE SKIP LOCKED",
            [array(action_ids)],
        )
        mine = [key for (key,) in cursor.fetchall()]
    done: dict[str, Callable[[UndoableAction, Actor], None]] = {Kind.CANCEL: _cancel, Kind.RELEASE: _release}
    for action in UndoableAction.objects.filter(pk__in=mine).order_by("order_id", "id"):
        if action.kind in done:
            _try(action, done[action.kind])
        else:
            _end(action, State.DONE)
    return len(mine)


def _try(action: UndoableAction, do: Callable[[UndoableAction, Actor], None]) -> None:
    actor = Actor(ActorKind(action.actor_kind), action.actor)
    try:
        with transaction.atomic():
            do(action, actor)
            _end(action, State.DONE)
    except OmsError:
        # The other side was quicker: a person decides what is still possible.
        for hold in _open_holds_to_undo([action.order_id]):
            holds.close_hold(hold, note=words.CANCELLED_NOW, actor=actor)
        _end(action, State.REFUSED)
        timeline.record(action.order_id, kinds.NOT_DONE, actor, action=str(action.kind), reason=action.reason)
        trouble = Trouble(action.order_id, str(action.kind), about_id=action.order_id)
        tickets.open_tickets(NOT_DONE, [trouble], opened_by=NAME)


def _cancel(action: UndoableAction, actor: Actor) -> None:
    for hold in _open_holds_to_undo([action.order_id]):
        holds.close_hold(hold, note=words.CANCELLED_NOW, actor=actor)
    order = Order.objects.only("state", "cancel_requested_at").get(pk=action.order_id)
    # Somebody else, such as its merchant, may have cancelled it meanwhile.
    if order.state != OrderState.CANCELLED and order.cancel_requested_at is None:
        asked = action.details or {}
        chosen = asked["selection"]
        units = {int(position): count for position, count in chosen["units"].items()}
        choosing.cancel(
            action.order_id,
            Selection(units, chosen["parts"], chosen["is_rest"]),
            reason=Why(action.reason, asked["code"], asked["cause"]),
            actor=actor,
            restocks=asked["restocks"],
            tells_buyer=asked["tells_buyer"],
        )


def _release(action: UndoableAction, actor: Actor) -> None:
    # Those of an order that ended meanwhile are closed already, which is no obstacle.
    for hold_id in action.hold_ids:
        holds.release_hold(hold_id, note=action.reason, actor=actor)


def _open_holds_to_undo(order_ids: Iterable[int]) -> list[Hold]:
    return list(Hold.objects.filter(order__in=list(order_ids), kind=Hold.Kind.UNDO, released_at=None).order_by("id"))


STAGE = Stage(NAME, run, wakes=("review", "split", "allocate", "release", "dispatch", "owing", "wake"), backlog=backlog)
