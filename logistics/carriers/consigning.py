"""Consignments (子母件): several parcels of a warehouse order that go with one order of their carrier, which gives the
mother's waybill and those of its children.

A parcel joins when its carrier is chosen, where the account sells such waybills (`adapters.Consigns`); the mother is
the oldest. While the mother waits for its waybill its children wait with it, and go to whatever carrier it goes to.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection
from django.db.models import CharField, F, Func, OuterRef, Q, QuerySet

from logistics.carriers import adapters
from logistics.models import Shipment, ShipmentState
from oms.common.copying import array
from oms.common.models import Connection

# A parcel (alias `q`) that waits with its mother.
WAITS_WITH_MOTHER = f"""
    EXISTS (SELECT FROM logistics_shipment m WHERE m.id = q.mother_id AND m.state = '{ShipmentState.CREATED}')
"""


@dataclass(frozen=True, slots=True)
class Head:
    """A parcel that others of its warehouse order may join: by which carrier and account (ids) it goes."""

    id: int
    carrier_id: int
    connection_id: int


@dataclass(frozen=True, slots=True)
class _Box:
    id: int
    work_id: int
    mother_id: int | None
    state: str
    was_asked: bool
    is_here: bool
    carrier_id: int | None
    carrier: str
    connection_id: int | None


@dataclass(slots=True)
class Boxes:
    """Parcels that a carrier is chosen for, and the others of their warehouse orders; `works` by parcel, of those that
    are not alone. `children` that wait with one of the parcels, by id, are chosen for with it."""

    works: dict[int, int] = field(default_factory=dict)
    children: dict[int, int] = field(default_factory=dict)
    heads: dict[int, list[Head]] = field(default_factory=lambda: defaultdict(list))
    _links: dict[int, Connection] = field(default_factory=dict)

    @classmethod
    def of(cls, shipment_ids: Collection[int]) -> "Boxes":
        """Those of locked parcels. One statement where each is alone, else two, which lock the others; who is locked by
        somebody else at this moment is joined by nobody."""
        boxes = cls()
        if not shipment_ids:
            return boxes
        ids = array(shipment_ids)
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                SELECT h.id, h.warehouse_order_id FROM logistics_shipment h
                WHERE h.id = ANY(%s::bigint[]) AND EXISTS (
                    SELECT FROM logistics_shipment b WHERE b.warehouse_order_id = h.warehouse_order_id
                      AND b.id <> h.id AND b.state <> '{ShipmentState.CANCELLED}')
                """,
                [ids],
            )
            boxes.works = dict(cursor.fetchall())
            if not boxes.works:
                return boxes
            cursor.execute(
                f"""
                SELECT b.id, b.warehouse_order_id, b.mother_id, b.state, b.lease_token > 0, b.left_at IS NULL,
                    b.carrier_id, coalesce((SELECT code FROM logistics_carrier WHERE id = b.carrier_id), ''),
                    b.connection_id
                FROM logistics_shipment b
                WHERE b.warehouse_order_id = ANY(%s::bigint[]) AND b.id <> ALL(%s::bigint[])
                  AND b.state IN ('{ShipmentState.CREATED}', '{ShipmentState.WAYBILL_ISSUED}')
                ORDER BY b.id FOR NO KEY UPDATE SKIP LOCKED
                """,
                [array(set(boxes.works.values())), ids],
            )
            for row in cursor.fetchall():
                boxes._see(_Box(*row))
        return boxes

    def _see(self, box: _Box) -> None:
        if box.mother_id in self.works and box.state == ShipmentState.CREATED:
            self.children[box.id] = box.mother_id
            self.works[box.id] = box.work_id
        if box.mother_id is not None or box.connection_id is None or box.carrier_id is None or not box.is_here:
            return
        link = self._link(box.connection_id)
        joins = adapters.extends if box.was_asked else adapters.consigns
        if joins(link, box.carrier):
            self.heads[box.work_id].append(Head(box.id, box.carrier_id, box.connection_id))

    def of_work(self, shipment_id: int) -> Iterator[Head]:
        """The parcels that this one may join, the oldest first."""
        found = self.heads.get(self.works.get(shipment_id, 0), [])
        return (head for head in found if head.id < shipment_id)

    def add(self, shipment_id: int, carrier_id: int, carrier: str, connection_id: int) -> None:
        """A parcel goes to a carrier (`carrier`: its code) now: further ones may join it where the account can."""
        work = self.works.get(shipment_id)
        if work is not None and self.may_join(connection_id, carrier):
            self.heads[work].append(Head(shipment_id, carrier_id, connection_id))

    def may_join(self, connection_id: int, carrier: str) -> bool:
        """Whether several parcels may go with one order of the carrier (code) over the account."""
        return adapters.consigns(self._link(connection_id), carrier)

    def _link(self, connection_id: int) -> Connection:
        if connection_id not in self._links:
            self._links[connection_id] = Connection.objects.get(pk=connection_id)
        return self._links[connection_id]


def write(mothers: Mapping[int, int | None]) -> None:
    """Write whose children parcels are now: of locked parcels (ids), each with its mother. One statement."""
    if not mothers:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE logistics_shipment h SET mother_id = n.mother
            FROM unnest(%s::bigint[], %s::bigint[]) AS n(id, mother)
            WHERE h.id = n.id AND h.mother_id IS DISTINCT FROM n.mother
            """,
            [array(mothers), list(mothers.values())],
        )


def waiting(mother_ids: Collection[int]) -> dict[int, list[adapters.Child]]:
    """The children that wait with these mothers, by mother, the oldest first. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT c.mother_id, c.number, (
                SELECT count(*) FROM logistics_shipment b
                WHERE b.warehouse_order_id = c.warehouse_order_id AND b.id >= c.mother_id AND b.id < c.id)
            FROM logistics_shipment c
            WHERE c.mother_id = ANY(%s::bigint[]) AND c.state = '{ShipmentState.CREATED}' ORDER BY c.id
            """,
            [array(mother_ids)],
        )
        found: dict[int, list[adapters.Child]] = {}
        for mother, *child in cursor.fetchall():
            found.setdefault(mother, []).append(adapters.Child(*child))
    return found


def lock_waiting(mothers: Mapping[int, str]) -> dict[str, int]:
    """Lock the children that wait with these locked mothers, each of which still waits for a waybill of its carrier
    (code); returns their ids by number. One statement."""
    if not mothers:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT c.number, c.id FROM logistics_shipment c
            JOIN logistics_shipment m ON m.id = c.mother_id
            JOIN unnest(%s::bigint[], %s::text[]) AS n(id, carrier) ON n.id = m.id
            JOIN logistics_carrier k ON k.id = m.carrier_id AND k.code = n.carrier
            WHERE c.state = '{ShipmentState.CREATED}' AND m.state = '{ShipmentState.CREATED}'
            ORDER BY c.id FOR NO KEY UPDATE OF c
            """,
            [array(mothers), list(mothers.values())],
        )
        return dict(cursor.fetchall())


def let_go(mother_ids: Sequence[int]) -> None:
    """Children that got no waybill with their (locked) mother's get one of their own, unless her order may get further
    ones later. Two statements at most."""
    waiting = Shipment.objects.filter(mother__in=mother_ids, state=ShipmentState.CREATED)
    rows = waiting.select_related("connection", "carrier").order_by("pk").select_for_update(no_key=True, of=("self",))
    alone = [
        row.pk
        for row in rows
        if not (row.connection and row.carrier and adapters.extends(row.connection, row.carrier.code))
    ]
    write(dict.fromkeys(alone))


def put_first(shipment_ids: Collection[int]) -> None:
    """Of locked parcels that will have no waybill of ours: children that still wait with them wait with the oldest
    of them instead. One statement."""
    if not shipment_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH left_behind AS (
                SELECT c.id, min(c.id) OVER (PARTITION BY c.mother_id) AS first FROM logistics_shipment c
                JOIN logistics_shipment m ON m.id = c.mother_id
                WHERE m.id = ANY(%s::bigint[]) AND c.state = '{ShipmentState.CREATED}'
                  AND m.state <> '{ShipmentState.CREATED}' AND (m.waybill_number IS NULL OR m.connection_id IS NULL)
            )
            UPDATE logistics_shipment h SET mother_id = nullif(b.first, b.id) FROM left_behind b WHERE h.id = b.id
            """,
            [array(shipment_ids)],
        )


def members(shipment: Shipment) -> list[Shipment]:
    """All parcels that go, or will, with the same order of the carrier, the mother first; the parcel alone where there
    are no others. One statement."""
    root = shipment.mother_id or shipment.pk
    rows = Shipment.objects.filter(Q(pk=root) | Q(mother=root), connection=shipment.connection_id)
    rows = rows.exclude(state=ShipmentState.CANCELLED).select_related("carrier__connection", "connection")
    return list(rows.order_by("pk")) or [shipment]


@dataclass(frozen=True, slots=True)
class Consignment:
    """Parcels that go with one order of their carrier: the mother's number and waybill (None: not there yet), the
    numbers of the children, the oldest first, and which of all these parcels is meant."""

    mother: str
    waybill_number: str | None
    children: list[str]
    piece: int
    pieces: int

    def __str__(self) -> str:
        return f"{self.piece}/{self.pieces}"


def _numbers() -> ArraySubquery:
    """Of a row of a query over parcels: the numbers of all that go, or will, with the same order, the mother first."""
    mine = Q(pk=OuterRef("pk")) | Q(mother=OuterRef("pk"))
    hers = Q(pk=OuterRef("mother")) | Q(mother=OuterRef("mother"))
    together = Shipment.objects.filter(mine | hers, connection=OuterRef("connection"))
    return ArraySubquery(together.exclude(state=ShipmentState.CANCELLED).order_by("pk").values("number"))


def piece_text() -> Func:
    """Of a row of a query over parcels: which of its consignment it is, "2/3"; null where it goes alone."""
    return Func(
        _numbers(),
        F("number"),
        template=(
            "(SELECT array_position(x.numbers, x.number) || '/' || cardinality(x.numbers)"
            " FROM (SELECT %(expressions)s) AS x (numbers, number)"
            " WHERE cardinality(x.numbers) > 1 AND x.number = ANY(x.numbers))"
        ),
        output_field=CharField(),
    )


def with_numbers(parcels: QuerySet[Shipment]) -> QuerySet[Shipment]:
    """The query as `consignment_of` wants it: with the mothers, and the numbers of what goes together."""
    return parcels.select_related("mother").annotate(consigned_numbers=_numbers())


def consignment_of(parcel: Shipment) -> Consignment | None:
    """Where a parcel, read by `with_numbers`, is in its consignment; None where it goes alone. No statement."""
    numbers: list[str] = parcel.consigned_numbers  # type: ignore[attr-defined]
    if len(numbers) < 2 or parcel.number not in numbers:
        return None
    mother = parcel.mother or parcel
    children = [number for number in numbers if number != mother.number]
    return Consignment(mother.number, mother.waybill_number, children, numbers.index(parcel.number) + 1, len(numbers))
