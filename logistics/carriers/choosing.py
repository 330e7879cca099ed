"""Which carrier gets a parcel: what the rules of staff say (`logistics.carriers.rules`), else the one that its order
wishes for, then by the carriers' priority; over which account, and why, is kept.

A parcel is given to a carrier when it is written. Where no carrier can be asked then, the stage here tries again. After
a refusal another one is asked, never one that refused the parcel before.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from django.db import connection
from django.utils import timezone

from logistics.carriers import consigning, wishing
from logistics.carriers.refusing import OwnRefusal
from logistics.carriers.rules import reading
from logistics.carriers.rules.judging import Account, Asked, Goods, Judge, Ranking, Verdict, has_wish, is_wished
from logistics.carriers.rules.pricing import Priced, Way
from logistics.carriers.sharing import Purse
from logistics.carriers.trouble import NO_CARRIER
from logistics.models import CarrierDecision, Shipment, ShipmentState
from oms.common import tickets
from oms.common.copying import array, text_array
from oms.common.masking import mask_text
from oms.common.work.claiming import Queue, Stage, in_one_transaction, put_off
from orders.models.terms import UnmetWish

Cause = CarrierDecision.Cause
# The wishes (alias `t`) of the sub-order with the alias `s`, where its order has any.
WISHES = """
    orders_orderterms t ON t.order_id = s.order_id AND (t.carrier <> '' OR t.carrier_class <> '')
"""
NOBODY = "no carrier is active"

QUEUE = Queue(Shipment, f"q.state = '{ShipmentState.CREATED}' AND q.connection_id IS NULL AND q.carrier_id IS NULL")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A carrier that definitely refused a parcel, with what it said."""

    carrier_id: int
    carrier: str
    name: str
    text: str


@dataclass(slots=True)
class Choice:
    """Who was chosen for a parcel, over which account and by which share; nobody, with what was looked at."""

    goods: Goods
    details: dict[str, Any]
    carrier: Asked | None = None
    account: Account | None = None
    share_id: int | None = None
    spent: dict[str, str] = field(default_factory=dict)

    @property
    def why_nobody(self) -> str:
        """The conditions that left nobody, by carrier: for logs and for people who look for it."""
        looked = ", ".join(f"{code} {verdict}" for code, verdict, *_figures in self.details["of"])
        return f"no carrier fits: {looked}" if looked else NOBODY


def run(limit: int) -> int:
    """Give up to `limit` parcels that have no carrier to one; returns how many were claimed."""
    return in_one_transaction(QUEUE, limit, _choose)


def _choose(shipment_ids: list[int]) -> None:
    choices = choose(shipment_ids)
    put_off(QUEUE, {key: NOBODY for key, one in choices.items() if one.carrier is None and not one.details["of"]})


def choose(
    shipment_ids: Collection[int], *, refused: Mapping[int, Refusal] | None = None, alone: Collection[int] = ()
) -> dict[int, Choice]:
    """Give these locked parcels, which have no waybill, to carriers; returns what was chosen, by id.

    `refused` names the carrier that just refused each, `alone` those known to be the only one of their warehouse order.
    Parcels of one warehouse order go together where they can
    (`consigning`), each by what the rules say of it; children go with their mother. A parcel that no carrier fits by
    the rules waits for a person, and its children with it. As many statements for a thousand parcels as for one.
    """
    if not shipment_ids:
        return {}
    now = timezone.now()
    judge = reading.judge(now)
    boxes = consigning.Boxes.of(set(shipment_ids).difference(alone))
    refused = dict(refused or {})
    refused |= {child: refused[mother] for child, mother in boxes.children.items() if mother in refused}
    goods = [_without(one, refused.get(one.key)) for one in reading.parcels([*shipment_ids, *boxes.children])]
    rankings = {one.key: judge.rankings(one) for one in goods}
    purse = Purse.of(_shares(goods, rankings.values()), _with_shares(judge, refused))
    purse.give_back(refused)
    choices, mothers = _pick_together(judge, purse, boxes, goods, rankings)
    purse.write()
    _write(choices, refused)
    consigning.write(mothers)
    _note_wishes(choices, refused)
    stuck = {key: one for key, one in choices.items() if one.carrier is None and (one.details["of"] or key in refused)}
    _call_people(stuck, refused)
    return choices


def _without(goods: Goods, refusal: Refusal | None) -> Goods:
    return replace(goods, refused=goods.refused | {refusal.carrier}) if refusal else goods


def _with_shares(judge: Judge, refused: Mapping[int, Refusal]) -> Collection[int]:
    """The parcels that may have something to give back."""
    is_shared = any(account.shares is not None for carrier in judge.carriers for account in carrier.accounts)
    return list(refused) if is_shared else ()


def _shares(goods: Iterable[Goods], rankings: Iterable[list[Ranking]]) -> set[int]:
    """The shares that may be spent on the parcels."""
    found = set()
    for one, ranked in zip(goods, rankings, strict=True):
        for ranking in ranked:
            for look in ranking.open:
                for account in look.carrier.accounts:
                    share = _share(account, one)
                    if share:
                        found.add(share)
    return found


def _share(account: Account, goods: Goods) -> int | None:
    """The share of the parcel's user; 0 where the user may not use the account, None where everybody may."""
    try:
        return account.share_of(goods.merchant_id, goods.channel_id)
    except KeyError:
        return 0


def _pick_together(
    judge: Judge,
    purse: Purse,
    boxes: consigning.Boxes,
    goods: Sequence[Goods],
    rankings: Mapping[int, Sequence[Ranking]],
) -> tuple[dict[int, Choice], dict[int, int | None]]:
    """What is chosen for each, the oldest first, and of those that are not alone in their warehouse order whose
    children they are."""
    choices: dict[int, Choice] = {}
    mothers: dict[int, int | None] = {}
    for one in goods:
        mother = boxes.children.get(one.key)
        if mother is not None and choices[mother].carrier is None:
            continue
        choice = None
        for head in boxes.of_work(one.key):
            choice = _join(purse, one, rankings[one.key], head)
            if choice is not None:
                mothers[one.key] = head.id
                break
        if choice is None:
            choice = _pick(judge, purse, one, rankings[one.key], boxes, goods)
            if one.key in boxes.works:
                mothers[one.key] = None
            if choice.carrier is not None and choice.account is not None:
                boxes.add(one.key, choice.carrier.id, choice.carrier.code, choice.account.connection_id)
        choices[one.key] = choice
    return choices, mothers


def _way(one: Goods, carrier: str, account: Account, boxes: consigning.Boxes, goods: Sequence[Goods]) -> Way:
    """How the parcel's freight is reckoned: by the weight of all that may go together, the others for nothing."""
    work = boxes.works.get(one.key)
    if work is None or not boxes.may_join(account.connection_id, carrier):
        return one.way
    return one.way.weighing(
        sum(
            other.way.measures.weight_g
            for other in goods
            if other.key >= one.key and boxes.works.get(other.key) == work
        )
    )


def _join(purse: Purse, goods: Goods, rankings: Sequence[Ranking], head: consigning.Head) -> Choice | None:
    """The carrier and account of another parcel, where the rules let this one go there and its user has a waybill left;
    the freight is its mother's."""
    for ranking in rankings:
        for look in ranking.open:
            if look.carrier.id != head.carrier_id:
                continue
            for account in look.carrier.accounts:
                share = _share(account, goods)
                if account.connection_id != head.connection_id or share == 0:
                    continue
                if share is None or purse.take(share, goods.key, 0):
                    return Choice(goods, ranking.details(look.carrier), look.carrier, account, share)
    return None


def _pick(
    judge: Judge,
    purse: Purse,
    goods: Goods,
    rankings: Sequence[Ranking],
    boxes: consigning.Boxes,
    batch: Sequence[Goods] = (),
) -> Choice:
    """The first carrier of the first rule that has something left for the user."""
    spent: dict[str, str] = {}
    for ranking in rankings:
        for look in ranking.open:
            why = Verdict.NOT_SHARED
            for account in look.carrier.accounts:
                share = _share(account, goods)
                if share == 0:
                    continue
                way = _way(goods, look.carrier.code, account, boxes, batch) if share else goods.way
                price = judge.price(way, look.carrier.code) if share else None
                fen = price.freight.fen if isinstance(price, Priced) else 0
                if share is None or purse.take(share, goods.key, fen):
                    return Choice(goods, ranking.details(look.carrier, spent), look.carrier, account, share)
                why = Verdict.USED_UP
            spent[look.carrier.code] = why
    return Choice(goods, rankings[-1].details(None, spent))


def foresee(judge: Judge, goods: Goods) -> Choice:
    """What would be chosen for these goods now; nothing is taken or written."""
    rankings = judge.rankings(goods)
    purse = Purse.look(_shares([goods], [rankings]))
    return _pick(judge, purse, goods, rankings, consigning.Boxes())


def _write(choices: Mapping[int, Choice], refused: Mapping[int, Refusal]) -> None:
    """Give the parcels to whom was chosen, and keep why. One statement."""
    rows = [
        {
            "shipment_id": key,
            "cause": Cause.REFUSED if key in refused else Cause.RULE,
            "carrier_id": one.carrier.id if one.carrier else None,
            "connection_id": one.account.connection_id if one.account else None,
            "former_id": refused[key].carrier_id if key in refused else None,
            "text": mask_text(refused[key].text)[:300] if key in refused else "",
            "details": one.details,
        }
        for key, one in choices.items()
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH chosen AS MATERIALIZED (
                SELECT * FROM json_populate_recordset(NULL::logistics_carrierdecision, %s::json)
            ), given AS (
                UPDATE logistics_shipment h SET carrier_id = coalesce(n.carrier_id, h.carrier_id),
                    connection_id = coalesce(n.connection_id, h.connection_id),
                    attempts = CASE WHEN n.cause = '{Cause.RULE}' AND n.carrier_id IS NOT NULL THEN 0
                                    ELSE h.attempts END,
                    last_error = CASE WHEN n.cause = '{Cause.RULE}' AND n.carrier_id IS NOT NULL THEN ''
                                      ELSE h.last_error END
                FROM chosen n WHERE h.id = n.shipment_id
            )
            INSERT INTO logistics_carrierdecision
                (shipment_id, cause, carrier_id, connection_id, former_id, text, details)
            SELECT n.shipment_id, n.cause, n.carrier_id, n.connection_id, n.former_id, n.text, n.details FROM chosen n
            -- Who finds nobody again and again is told once.
            WHERE n.carrier_id IS NOT NULL OR n.cause <> '{Cause.RULE}' OR NOT EXISTS (
                SELECT FROM logistics_carrierdecision d WHERE d.shipment_id = n.shipment_id AND d.carrier_id IS NULL)
            ORDER BY n.shipment_id
            """,
            [msgspec.json.encode(rows).decode()],
        )


def _note_wishes(choices: Mapping[int, Choice], refused: Mapping[int, Refusal]) -> None:
    wishing_ones = {
        key
        for key, one in choices.items()
        if one.carrier is not None and has_wish(one.goods) and not is_wished(one.goods, one.carrier)
    }
    wishing.note_unmet(sorted(wishing_ones - refused.keys()), UnmetWish.UNAVAILABLE)
    wishing.note_unmet(sorted(wishing_ones & refused.keys()), UnmetWish.REFUSED)


def _call_people(stuck: Mapping[int, Choice], refused: Mapping[int, Refusal]) -> None:
    """Parcels that nobody fits wait for a person; why stands on each."""
    if not stuck:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE logistics_shipment h SET needs_person_since = coalesce(h.needs_person_since, now()),
                last_error = n.error
            FROM unnest(%s::bigint[], %s::text[]) AS n(id, error), orders_suborder s
            WHERE h.id = n.id AND s.id = h.sub_order_id RETURNING h.id, h.number, s.order_id
            """,
            [
                array(stuck),
                text_array(
                    mask_text(refused[key].text)[:1000] if key in refused else one.why_nobody[:1000]
                    for key, one in stuck.items()
                ),
            ],
        )
        rows = cursor.fetchall()
    troubles = []
    for key, number, order_id in rows:
        values = {"number": number, "text": stuck[key].why_nobody[:300]}
        reason = "rules"
        if key in refused:
            reason = refused[key].text if refused[key].text in OwnRefusal.values else ""
            values = {"number": number, "carrier": refused[key].name, "text": mask_text(refused[key].text)[:300]}
        troubles.append(tickets.Trouble(key, reason, values, about_id=order_id))
    tickets.open_tickets(NO_CARRIER, troubles, opened_by=STAGE.name)


STAGE = Stage("choose_carrier", run, wakes=("dispatch",), queue=QUEUE)
