"""A shop that goes on selling: baskets of the sample, bought anew, at a rate."""

import gzip
import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from django.db import connection
from django.utils import timezone

from inventory.availability import available_sql
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.intake.bodies import OrderBody, decode
from orders.intake.placing import Placed, place_orders
from orders.models import ActorKind

ACTOR = Actor(ActorKind.JOB, "sample_shop")
# So many baskets are looked at for one whose goods are there.
_TRIES = 50
_KEPT = ("source", "buyer", "recipient", "payment_method", "lines", "coupon_amount", "freight_amount", "payable_amount")


class Shop:
    """Sells the baskets of a file (JSON lines, perhaps .gz), over the channels of the self-operated merchant."""

    def __init__(self, file: Path, *, seed: int | None = None) -> None:
        with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as lines:
            self.baskets = [basket for line in lines if (basket := json.loads(line)) and _is_plain(basket)]
        self.chance = random.Random(seed)  # noqa: S311 - only a demo's variety
        self.seller = Merchant.objects.get(kind=Merchant.Kind.SELF_OPERATED)
        self.sold = 0

    def sell(self) -> Placed | None:
        """Place one order of goods that are there, as of now; None where no basket was found that can be sold."""
        for basket in self._choices():
            raw = msgspec.json.encode(self._anew(basket))
            body = decode(raw)
            if not isinstance(body, OrderBody):
                continue
            outcome = place_orders([body], self.seller, actor=ACTOR)[0]
            if isinstance(outcome, Placed):
                self.sold += 1
                return outcome
        return None

    def _choices(self) -> Iterator[Mapping[str, Any]]:
        chosen = self.chance.sample(self.baskets, min(_TRIES, len(self.baskets)))
        there = _there({line["sku"] for basket in chosen for line in basket["lines"]})
        for basket in chosen:
            if all(there.get(line["sku"], 0) >= line["quantity"] for line in basket["lines"]):
                yield basket

    def _anew(self, basket: Mapping[str, Any]) -> dict[str, Any]:
        now = timezone.now()
        number = f"LIVE{now:%y%m%d%H%M%S}{self.chance.randrange(10**6):06d}"
        return {
            **{name: basket[name] for name in _KEPT if name in basket},
            "external_number": number,
            "ordered_at": now.isoformat(),
        }


def _is_plain(basket: Mapping[str, Any]) -> bool:
    """Whether it is paid with money alone."""
    return not float(basket.get("gift_card_amount", 0)) and not basket.get("points", {}).get("used")


def _there(skus: set[str]) -> dict[str, int]:
    """Units of these SKUs (codes) that one of the warehouses can promise, in the warehouse that has most."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT k.code, max({available_sql("s")}) FROM inventory_sku k
            JOIN inventory_stock s ON s.sku_id = k.id WHERE k.code = ANY(%s) GROUP BY k.code
            """,
            [sorted(skus)],
        )
        return dict(cursor.fetchall())
