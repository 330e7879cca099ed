"""Waybills over accounts that several shops and merchants use: what is left of a share is looked at and taken under a
lock of its row, so that nobody gets more than the limit; a constraint is the last guard.

Locks: shares by id, after parcels.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from logistics.models import ShipmentState, WaybillShare, WaybillUse
from oms.common import tickets
from oms.common.models import Team
from oms.common.work.claiming import Stage
from oms.common.zones import CHINA

_U = WaybillUse.State
_SPENT = (_U.ASKED, _U.BOUGHT)

SHARE_LOW = tickets.register_kind(
    tickets.TicketKind(
        "waybill_share_low",
        _("Waybills of a user run low"),
        "waybill_share",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=8),
        reasons={
            "a_day": _("%(user)s used %(used)s of %(most)s waybills of the day over %(account)s."),
            "in_total": _("%(user)s used %(used)s of %(most)s waybills over %(account)s."),
            "money": _("%(user)s used %(used)s of %(most)s yuan of freight over %(account)s."),
        },
        remedies=_("Raise the limit, or let parcels go over another account. It closes by itself once enough is left."),
        can_retry=False,
    )
)


def today() -> date:
    """The day that limits a day are about."""
    return timezone.now().astimezone(CHINA).date()


@dataclass(slots=True)
class _Share:
    row: WaybillShare
    is_changed: bool = False

    def why_not(self, fen: int) -> str:
        """Which limit another waybill of so much freight would break; empty: none."""
        row = self.row
        if row.most_a_day is not None and row.used_that_day >= row.most_a_day:
            return "a_day"
        if row.most_in_total is not None and row.used_in_total >= row.most_in_total:
            return "in_total"
        if row.most_fen is not None and row.used_fen + fen > row.most_fen:
            return "money"
        return ""


@dataclass(slots=True)
class Purse:
    """Locked shares, from which waybills are taken and given back; nothing is written before `write`."""

    day: date
    shares: dict[int, _Share] = field(default_factory=dict)
    taken: list[WaybillUse] = field(default_factory=list)
    back: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, share_ids: Iterable[int], shipment_ids: Collection[int]) -> "Purse":
        """The shares, and those that are spent on the parcels now. Needs an open transaction; at most two."""
        spent = WaybillUse.objects.filter(shipment__in=shipment_ids, state__in=_SPENT)
        wanted = {*share_ids, *(spent.values_list("share", flat=True) if shipment_ids else ())}
        purse = cls(today())
        if wanted:
            rows = WaybillShare.objects.filter(pk__in=wanted).order_by("pk")
            purse._fill(rows.select_for_update(no_key=True))
        return purse

    @classmethod
    def look(cls, share_ids: Collection[int]) -> "Purse":
        """The shares as they are at this moment, not locked: only to see what would come of it."""
        purse = cls(today())
        if share_ids:
            purse._fill(WaybillShare.objects.filter(pk__in=share_ids))
        return purse

    def _fill(self, rows: Iterable[WaybillShare]) -> None:
        self.shares = {row.pk: _Share(row) for row in rows}
        for share in self.shares.values():
            if share.row.used_on != self.day:
                share.row.used_on, share.row.used_that_day, share.is_changed = self.day, 0, True

    def take(self, share_id: int, shipment_id: int, fen: int) -> bool:
        """Take a waybill of so much freight, if the share has one left."""
        share = self.shares[share_id]
        if share.why_not(fen):
            return False
        share.row.used_that_day += 1
        share.row.used_in_total += 1
        share.row.used_fen += fen
        share.is_changed = True
        self.taken.append(WaybillUse(share_id=share_id, shipment_id=shipment_id, day=self.day, freight_fen=fen))
        return True

    def give_back(
        self, shipment_ids: Collection[int], states: Sequence[str] = (_U.ASKED,), *, over: int | None = None
    ) -> int:
        """Give back what these parcels asked for (or what is in these states); returns how many waybills. One
        statement."""
        if not (shipment_ids and self.shares):
            return 0
        found = WaybillUse.objects.filter(shipment__in=shipment_ids, state__in=states, share__in=self.shares)
        uses = list(found if over is None else found.filter(share__account__connection=over))
        for use in uses:
            share = self.shares[use.share_id]
            share.row.used_in_total -= 1
            share.row.used_fen -= use.freight_fen
            if use.day == share.row.used_on:
                share.row.used_that_day -= 1
            share.is_changed = True
            self.back.append(use.pk)
        return len(uses)

    def count_as_bought(self, shipment_id: int) -> None:
        """Nobody knows whether the carrier that was asked issued a waybill: it counts as bought. One statement."""
        note_bought([shipment_id])

    def write(self) -> None:
        """Write it, and tell who has little left. At most three statements, and those of the tickets."""
        if self.back:
            WaybillUse.objects.filter(pk__in=self.back).update(state=_U.GIVEN_BACK, given_back_at=timezone.now())
        WaybillUse.objects.bulk_create(self.taken)
        changed = [share.row for share in self.shares.values() if share.is_changed]
        if changed:
            counters = ["used_on", "used_that_day", "used_in_total", "used_fen"]
            WaybillShare.objects.bulk_update(changed, counters)
            tell_low([row.pk for row in changed])


def give_back(shipment_ids: Collection[int], *, over: int | None = None) -> int:
    """What was spent on these parcels (over the connection, where one is named) goes back to its users: the carrier
    cancelled their waybills. Returns how many waybills; twice is harmless. Needs an open transaction."""
    purse = Purse.of((), shipment_ids)
    count = purse.give_back(shipment_ids, _SPENT, over=over)
    purse.write()
    return count


def note_freight(costs: dict[int, int]) -> None:
    """Of parcels (ids) it is known now what they cost, in fen: their users' freight is that. Needs an open
    transaction."""
    uses = list(WaybillUse.objects.filter(shipment__in=costs, state__in=_SPENT)) if costs else []
    uses = [use for use in uses if use.freight_fen != costs[use.shipment_id]]
    if not uses:
        return
    rows = WaybillShare.objects.filter(pk__in={use.share_id for use in uses}).order_by("pk")
    shares = {row.pk: row for row in rows.select_for_update(no_key=True)}
    # Read again under the lock: somebody else may have noted it, or given it back.
    again = WaybillUse.objects.filter(pk__in=[use.pk for use in uses]).filter(state__in=_SPENT)
    changed = list(again)
    for use in changed:
        shares[use.share_id].used_fen += costs[use.shipment_id] - use.freight_fen
        use.freight_fen = costs[use.shipment_id]
    WaybillUse.objects.bulk_update(changed, ["freight_fen"], batch_size=1_000)
    WaybillShare.objects.bulk_update(shares.values(), ["used_fen"])
    tell_low(list(shares))


def tell_low(share_ids: Collection[int]) -> None:
    """Open a ticket on each share of which little is left, and close those of the others. One statement, and those of
    the tickets."""
    rows = WaybillShare.objects.filter(pk__in=share_ids).select_related("account", "merchant", "channel")
    troubles, fine = [], []
    for row in rows:
        reason, used, most = _lowest(row)
        if not reason:
            fine.append(row.pk)
            continue
        is_money = reason == "money"
        values = {
            "user": str(row.channel or row.merchant),
            "account": row.account.name,
            "used": f"{used / 100:.2f}" if is_money else str(used),
            "most": f"{most / 100:.2f}" if is_money else str(most),
        }
        troubles.append(tickets.Trouble(row.pk, reason, values))
    tickets.open_tickets(SHARE_LOW, troubles, opened_by="dispatch")
    tickets.close_tickets([SHARE_LOW], fine)


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a user's limits; None where there is none."""

    that_day: int | None
    in_total: int | None
    fen: int | None


def left_of(row: WaybillShare) -> Left:
    """What is left of the share now, never below 0."""
    that_day = row.used_that_day if row.used_on == today() else 0
    pairs = ((row.most_a_day, that_day), (row.most_in_total, row.used_in_total), (row.most_fen, row.used_fen))
    return Left(*(None if most is None else max(most - used, 0) for most, used in pairs))


def is_low(row: WaybillShare) -> bool:
    """Whether so little is left that people are told."""
    return bool(_lowest(row)[0])


def _lowest(row: WaybillShare) -> tuple[str, int, int]:
    """Of which limit the largest part is used, where that is enough for a warning; else an empty one."""
    that_day = row.used_that_day if row.used_on == today() else 0
    limits = [
        ("a_day", that_day, row.most_a_day),
        ("in_total", row.used_in_total, row.most_in_total),
        ("money", row.used_fen, row.most_fen),
    ]
    low = [
        (reason, used, most)
        for reason, used, most in limits
        if most is not None and row.is_active and used * 100 >= most * row.warn_at_percent
    ]
    return max(low, key=lambda one: (one[1] / max(one[2], 1), one[0])) if low else ("", 0, 0)


def note_bought(shipment_ids: Collection[int]) -> None:
    """These parcels have the waybills that were asked for. One statement."""
    WaybillUse.objects.filter(shipment__in=shipment_ids, state=_U.ASKED).update(state=_U.BOUGHT)


# Uses `u` that are no longer wanted: the parcel goes by a waybill of the warehouse's or over another account, or it
# will not be and nobody was asked. Where a carrier was asked, it may have issued one: that stays spent.
_UNWANTED = f"""
    FROM logistics_waybilluse u JOIN logistics_shipment h ON h.id = u.shipment_id
    JOIN logistics_waybillshare s ON s.id = u.share_id JOIN logistics_carrieraccount a ON a.id = s.account_id
    WHERE u.state = '{_U.ASKED}' AND (
        (h.waybill_number IS NOT NULL AND h.connection_id IS DISTINCT FROM a.connection_id)
        OR (h.state = '{ShipmentState.CANCELLED}' AND h.waybill_number IS NULL AND h.lease_token = 0))
"""


@transaction.atomic
def run(limit: int) -> int:
    """Give up to `limit` waybills back that were set aside for parcels and are no longer wanted; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT u.shipment_id {_UNWANTED} ORDER BY u.id LIMIT %s", [limit])
        parcels = [key for (key,) in cursor.fetchall()]
    purse = Purse.of((), parcels)
    count = purse.give_back(parcels)
    purse.write()
    return count


def backlog() -> str:
    """What is to be given back."""
    return f"SELECT u.asked_at AS due, false AS needs_person {_UNWANTED}"


STAGE = Stage("return_waybills", run, backlog=backlog)
