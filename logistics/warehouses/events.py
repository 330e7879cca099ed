"""What warehouses report: facts about warehouse orders, applied once; where a sub-order is follows from all of them.

`judging` says what a notice comes to, one after the other; then all that they come to is carried out together.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from django.db import connection

from inventory.models import Warehouse
from logistics import kinds
from logistics.carriers import cancelling, ending, following, intending
from logistics.models import ShipmentState, StopAnswer, WarehouseOrderState
from logistics.warehouses import doubting, giving_up, lacking, leaving, moving, notices, parcelling, serials, works
from logistics.warehouses.giving_up import ACTOR, Homeless
from logistics.warehouses.judging import RANK, Course
from logistics.warehouses.leaving import Departure
from logistics.warehouses.trouble import CONTRADICTION, SHIPPED_SHORT, UNBOOKED
from logistics.watching import planning
from oms.common import tickets
from oms.common.copying import array, text_array
from oms.common.masking import mask_text
from oms.common.models import Topic
from oms.common.states import listed
from oms.common.work import nudging
from oms.common.work.facts import Fact, FactWork, Verdict, fact_stage
from orders import actors
from orders.changing.cancelling import finish_requests
from orders.fulfilling import derived as fulfilment
from orders.models.sub_order import BEFORE_RELEASE, ShippingProof
from orders.telling import timeline

S = WarehouseOrderState
_WHEN = Warehouse.WaybillWhen
# From which state on a warehouse order needs parcels, where it is not the last moment.
_NEEDS_PARCELS = {_WHEN.AT_RELEASE: S.PACKED, _WHEN.AT_ACCEPTANCE: S.ACCEPTED, _WHEN.WHEN_PACKED: S.PACKED}


def _locate(facts: Sequence[Fact]) -> Mapping[int, int]:
    """The warehouse order of each fact, by number; only the connection that it went over may speak of it."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT f.id, w.id FROM unnest(%s::bigint[], %s::bigint[], %s::text[]) AS f(id, connection_id, number)
            JOIN logistics_warehouseorder w ON w.number = f.number AND w.connection_id = f.connection_id
            """,
            [
                array(fact.id for fact in facts),
                array(fact.connection_id for fact in facts),
                text_array(fact.subject for fact in facts),
            ],
        )
        return dict(cursor.fetchall())


def _understand(fact: Fact) -> tuple[notices.Notice, notices.Report]:
    """What the warehouse says. Raises ValueError for a kind that is none, msgspec.ValidationError for a wrong body."""
    return notices.Notice(fact.kind), notices.read(fact.body)


def _apply(facts: Sequence[Fact], locked: Sequence[int]) -> Mapping[int, Verdict]:
    courses = {work.number: Course.of(work) for work in works.lock(locked).values()}
    verdicts = {fact.id: courses[fact.subject].hear(*_understand(fact)) for fact in facts}
    _carry_out(list(courses.values()))
    return verdicts


def _carry_out(courses: Sequence[Course]) -> None:
    rows = {course.work.id: course.work for course in courses}
    serials.lock(
        number
        for course in courses
        for parcels, _leaves in course.reports
        for parcel in parcels
        for line in parcel.lines
        for number in line.serials
    )
    _lock_stock(courses)
    lacking.freeze({course.work.id: course.lacks for course in courses if course.lacks}, rows)
    giving_up.give_up([course.given_up for course in courses if course.given_up])
    done = parcelling.take({course.work.id: course.reports for course in courses if course.reports}, rows)
    _want_parcels(courses)
    gone = [*done.leaving, *_all_parcels(courses)]
    _doubt(courses, done)
    finals = [course.work.id for course in courses if course.is_final and not course.leaves_all]
    departure = Departure()
    if gone or finals:
        departure = leaving.leave(
            rows,
            gone,
            proof=ShippingProof.WAREHOUSE,
            actor=ACTOR,
            finals=finals,
            drops_rest={course.work.id for course in courses if course.drops_rest},
            surplus=done.surplus,
            filled=done.filled,
        )
        if finals:
            giving_up.end_parcels(finals)
    for course in courses:
        course.troubles += done.troubles.get(course.work.id, [])
    follow(courses, departure)
    if done.filled:
        # They may be there already.
        ending.settle([part.id for part in departure.shipped])
    fulfilment.refresh({part.order_id for work in rows.values() for part in work.parts})


def _doubt(courses: Sequence[Course], done: parcelling.Parcelled) -> None:
    """What nobody said to stay may have left by a message that was lost: the warehouse is asked first."""
    believed = {
        course.work.id: course
        for course in courses
        if course.is_final and not (course.leaves_all or course.is_answered or course.drops_rest)
    }
    for key in doubting.doubt(believed, done.leaving, done.filled):
        believed[key].wait_for_rest()


def follow(courses: Sequence[Course], departure: Departure) -> None:
    """Bring locked warehouse orders and their sub-orders to where their goods are after a departure, settle what was
    asked of the warehouses, and tell people what contradicts."""
    for course in courses:
        state = departure.states.get(course.work.id, course.state)
        course.state = max(course.state, state, key=RANK.__getitem__)
    _advance(courses, departure)
    _settle_rests(departure, {course.work.id for course in courses if course.is_unanswered})
    _settle_stops(courses, departure)
    _hold_back(courses)
    _tell_troubles(courses, departure)


def _lock_stock(courses: Sequence[Course]) -> None:
    """Stock is locked in one order: at once, where the news have several effects on it."""
    effects = {
        *("given_up" for course in courses if course.given_up),
        *("cancelled" for course in courses if course.given_up and any(p.is_cancelling for p in course.work.parts)),
        *("left" for course in courses if course.leaves_all or course.reports),
        *("left all the same" for course in courses if not course.is_current),
        *("rest" for course in courses if course.is_final and not course.leaves_all),
        *("lack" for course in courses if course.lacks),
    }
    if len(effects) > 1:
        works.lock_stock([course.work for course in courses])


def _want_parcels(courses: Sequence[Course]) -> None:
    """Write the parcels that are needed now: for waybills that we buy, or because all of it left."""
    again = [course.work.id for course in courses if course.leaves_all and not course.is_current]
    if again:
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                UPDATE logistics_shipment SET state = '{ShipmentState.WAYBILL_ISSUED}'
                WHERE warehouse_order_id = ANY(%s::bigint[]) AND state = '{ShipmentState.CANCELLED}'
                  AND waybill_number IS NOT NULL AND left_at IS NULL
                RETURNING id
                """,
                [array(again)],
            )
            parcels = [key for (key,) in cursor.fetchall()]
        cancelling.take_up_again(parcels)
        following.begin(parcels)
    intending.intend([course.work.id for course in courses if course.leaves_all or _needs_parcels(course)])


def _passes(course: Course, state: WarehouseOrderState) -> bool:
    return RANK[course.work.state] < RANK[state] <= RANK[course.state]


def _needs_parcels(course: Course) -> bool:
    needs = _NEEDS_PARCELS.get(course.work.waybill_when)
    return needs is not None and course.is_current and not course.reports and _passes(course, needs)


def _all_parcels(courses: Sequence[Course]) -> list[int]:
    """The parcels, still here, of warehouse orders of which all left."""
    keys = [course.work.id for course in courses if course.leaves_all]
    if not keys:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT id FROM logistics_shipment
            WHERE warehouse_order_id = ANY(%s::bigint[]) AND left_at IS NULL AND state <> '{ShipmentState.CANCELLED}'
            ORDER BY id FOR NO KEY UPDATE
            """,
            [array(keys)],
        )
        return [key for (key,) in cursor.fetchall()]


def _advance(courses: Sequence[Course], departure: Departure) -> None:
    """Bring warehouse orders to where they are, and their sub-orders with those that are current."""
    moved = {
        course.work.id: course.state
        for course in courses
        if course.state != (course.given_up.state if course.given_up else course.work.state)
    }
    moving.move_works(moved)
    # Parcels with a waybill already are to be collected from now on.
    planning.plan_parcels_of([key for key, state in moved.items() if state == WarehouseOrderState.PACKED])
    shipped = {part.id for part in departure.shipped}
    moves = []
    for course in courses:
        target = moving.SUB_ORDERS_AT.get(course.state)
        if course.is_current and course.work.id in moved and target is not None:
            moves += [
                (part.id, part.state, target)
                for part in course.work.parts
                if part.id not in shipped and moving.is_before(part.state, target)
            ]
    moving.move_sub_orders(moves, ACTOR)


def _settle_rests(departure: Departure, unanswered: Collection[int]) -> None:
    """What stays is sourced anew where it is not cancelled; of parts that were split off, a person is told, also that
    the warehouse (orders' ids) was asked for them in vain."""
    whole = [rest for rest in departure.rests if rest.part_id is None]
    if whole:
        giving_up.cancel([rest.part.id for rest in whole if rest.is_dropped])
        giving_up.source_anew([Homeless(rest.part, rest.work, "refused", "") for rest in whole if not rest.is_dropped])
    troubles = [
        tickets.Trouble(
            rest.part_id,
            "unanswered" if rest.work.id in unanswered else "",
            {"number": rest.part.number, "warehouse": rest.work.warehouse, "units": rest.units},
            about_id=rest.part.order_id,
        )
        for rest in departure.rests
        if rest.part_id is not None and not rest.is_dropped
    ]
    tickets.open_tickets(SHIPPED_SHORT, troubles, opened_by=STAGE.name)
    if troubles:
        nudging.nudge("allocate")


def _settle_stops(courses: Sequence[Course], departure: Departure) -> None:
    """Write what was answered to our questions, let go on what could not be stopped, and end what was."""
    answers: dict[int, StopAnswer] = {}
    going_on: dict[int, str] = {}
    staying: list[int] = []
    touched: set[int] = set()
    for course in courses:
        parts = course.work.parts
        answer = course.stop_answer
        if answer is None and course.is_asked_to_stop and course.is_current and course.state == S.SHIPPED:
            # That it left is an answer, too.
            answer = StopAnswer.REFUSED
        if answer is not None:
            answers[course.work.id] = answer
        if answer == StopAnswer.REFUSED and course.is_current:
            going_on |= {part.id: course.stop_text for part in parts if part.is_cancelling}
            staying += [part.id for part in parts if not part.is_cancelling]
        touched |= {part.order_id for part in parts if part.is_cancelling}
    going_on |= {part.id: "" for part in departure.shipped if part.is_cancelling and part.id not in going_on}
    giving_up.answer_stops(answers)
    giving_up.let_go_on(going_on)
    giving_up.let_stay(staying)
    undone = [
        part.id
        for course in courses
        if course.stop_answer == StopAnswer.GRANTED and not course.is_current and not course.given_up
        for part in course.work.parts
    ]
    if undone:
        timeline.record_of_sub_orders(undone, kinds.RELEASE_UNDONE, actors.job(STAGE.name))
    _ask_again([course.work.id for course in courses if course.asks_again and course.is_asked_to_stop])
    if touched:
        finish_requests(touched, actor=actors.job("cancel_at_warehouse"))


def _ask_again(keys: Sequence[int]) -> None:
    """The warehouse goes on with what it was to stop: ask once more."""
    if not keys:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE logistics_warehouseorder SET stop_requested_at = now(), stop_answered_at = NULL, stop_answer = '',
                stop_patient_until = NULL, ready_at = now(), attempts = 0, needs_person_since = NULL
            WHERE id = ANY(%s::bigint[])
            """,
            [array(keys)],
        )
    nudging.nudge("send_stop")


def _hold_back(courses: Sequence[Course]) -> None:
    """Sub-orders whose parcel goes out from a warehouse that had given it up are not sent a second time before a person
    says so."""
    waiting = [
        part.id
        for course in courses
        if not course.is_current and RANK[course.state] >= RANK[S.PACKED] and course.state != course.work.state
        for part in course.work.parts
    ]
    if not waiting:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE orders_suborder SET needs_person_since = coalesce(needs_person_since, now()),
                last_error = 'the warehouse that gave it up goes on with it'
            WHERE id = ANY(%s::bigint[]) AND state IN ({listed(BEFORE_RELEASE)})
            """,
            [array(waiting)],
        )


def _tell_troubles(courses: Iterable[Course], departure: Departure) -> None:
    """Open tickets on what contradicts, and on units that the stock did not have."""
    contradictions: list[tickets.Trouble] = []
    unbooked: list[tickets.Trouble] = []
    for course in courses:
        work = course.work
        known = {"number": work.number, "warehouse": work.warehouse}
        for reason, values in [*course.troubles, *departure.troubles.get(work.id, [])]:
            told = {key: mask_text(value) if isinstance(value, str) else value for key, value in values.items()}
            contradictions.append(tickets.Trouble(work.id, reason, {**told, **known}, about_id=work.order_id))
        if departure.unbooked.get(work.id):
            values = {**known, "units": departure.unbooked[work.id]}
            unbooked.append(tickets.Trouble(work.id, "", values, about_id=work.order_id))
    tickets.open_tickets(CONTRADICTION, contradictions, opened_by=STAGE.name)
    tickets.open_tickets(UNBOOKED, unbooked, opened_by=STAGE.name)


WORK = FactWork(Topic.WAREHOUSE, _locate, works.lock_orders_of, _apply, _understand)
STAGE = fact_stage(WORK, wakes=("dispatch", "wake", "owing", "allocate"))
run = STAGE.run
