"""Things to test with. Orders come in through the real intake, so that they are what the system would make.

`make_shop()` gives what most tests need; `place_order(sku, …)` an order, `split_order(…)` and `allocated_order(…)` one
that has gone further on its way.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import uuid4

import factory
import msgspec
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.utils import timezone
from factory.django import DjangoModelFactory
from rest_framework.test import APIClient

from inventory import hosting
from inventory.models import (
    Region,
    Sku,
    SourcingRule,
    SourcingRuleSet,
    SplitRule,
    Stock,
    StockMovement,
    StorageClass,
    Warehouse,
)
from oms.client import signing
from oms.common.models import Connection, SystemKind
from oms.common.work import clock
from oms.merchants.calls import credentials
from oms.merchants.models import Channel, Merchant
from orders.actors import Actor
from orders.fulfilling import allocating, splitting
from orders.intake.bodies import decode
from orders.intake.placing import Placed, place_orders
from orders.models import ActorKind, Order, ReviewList, ReviewListEntry, ReviewRule, ReviewRuleSet
from orders.promising import keeping
from orders.reviewing import deciding

_numbers = count(1)


class RegionFactory(DjangoModelFactory[Region]):
    """A county-level division; Dongcheng in Beijing unless told otherwise."""

    class Meta:
        model = Region
        django_get_or_create = ["code"]

    code = "110101"
    province = "北京市"
    city = "北京市"
    district = "东城区"
    longitude = 116.42
    latitude = 39.93
    precision = "district"


class MerchantFactory(DjangoModelFactory[Merchant]):
    """A merchant of the marketplace; `self_operated=True` makes it the self-operated one."""

    class Meta:
        model = Merchant

    class Params:
        self_operated = factory.Trait(kind=Merchant.Kind.SELF_OPERATED, commission_rate=Decimal(0))

    code = factory.Sequence(lambda n: f"M{n:04}")
    name = factory.LazyAttribute(lambda merchant: f"商家 {merchant.code}")
    kind = Merchant.Kind.MARKETPLACE
    commission_rate = Decimal("0.05")
    settlement_days = 7
    accepts_cod = True


class ChannelFactory(DjangoModelFactory[Channel]):
    """A shop of a merchant."""

    class Meta:
        model = Channel

    merchant = factory.SubFactory(MerchantFactory)
    code = factory.Sequence(lambda n: f"shop-{n}")
    name = factory.LazyAttribute(lambda channel: channel.code)


class SkuFactory(DjangoModelFactory[Sku]):
    """An article of a merchant."""

    class Meta:
        model = Sku

    merchant = factory.SubFactory(MerchantFactory)
    code = factory.Sequence(lambda n: f"P{n:06}")
    name = factory.LazyAttribute(lambda sku: f"商品 {sku.code}")
    storage_class = StorageClass.AMBIENT
    weight_g = 500
    list_price = Decimal("10.00")


class ConnectionFactory(DjangoModelFactory[Connection]):
    """A connected system; a warehouse's, in the sandbox, unless told otherwise."""

    class Meta:
        model = Connection

    code = factory.Sequence(lambda n: f"link-{n}")
    name = factory.LazyAttribute(lambda link: link.code)
    kind = SystemKind.WAREHOUSE


class WarehouseFactory(DjangoModelFactory[Warehouse]):
    """A warehouse in Beijing that serves the whole country."""

    class Meta:
        model = Warehouse

    code = factory.Sequence(lambda n: f"WH-{n}")
    name = factory.LazyAttribute(lambda warehouse: f"仓库 {warehouse.code}")
    merchant = factory.SubFactory(MerchantFactory)
    kind = Warehouse.Kind.SELF_OPERATED
    storage_classes = [StorageClass.AMBIENT, StorageClass.GENERAL]
    region = factory.SubFactory(RegionFactory)
    longitude = 116.33
    latitude = 39.73
    daily_capacity = 1000
    serves: list[str] = []
    connection = factory.SubFactory(ConnectionFactory)


class StockFactory(DjangoModelFactory[Stock]):
    """Units of a SKU in a warehouse of its merchant, with the ledger's opening line."""

    class Meta:
        model = Stock
        skip_postgeneration_save = True

    sku = factory.SubFactory(SkuFactory)
    warehouse = factory.SubFactory(WarehouseFactory, merchant=factory.SelfAttribute("..sku.merchant"))
    on_hand = 100

    @classmethod
    def _create(cls, model_class: type[Stock], *args: object, on_hand: int = 0, **kwargs: object) -> Stock:
        """The ledger explains the units from the start: nothing else can bring them. In a warehouse of another merchant
        the SKU's is a guest."""
        stock = super()._create(model_class, *args, **kwargs)
        if not hosting.host(stock.warehouse).may_keep(stock.sku.merchant_id, stock.sku.storage_class):
            hosting.begin(stock.warehouse, stock.sku.merchant, actor="test")
        if on_hand:
            StockMovement.objects.create(stock=stock, kind="opening", on_hand_change=on_hand, actor="test")
            # Versions are counted from here on.
            Stock.objects.filter(pk=stock.pk).update(version=1)
            stock.refresh_from_db()
        return stock


def activate_rules(*rules: dict[str, Any], splits: tuple[dict[str, Any], ...] = (), **scope: Any) -> SourcingRuleSet:
    """A rule set of these rules (fields of `SourcingRule`), in their order, active; `scope` may name merchant and
    channel, `splits` has fields of `SplitRule`."""
    found = SourcingRuleSet.objects.create(name="test", **scope)
    for position, fields in enumerate(rules, 1):
        SourcingRule.objects.create(rule_set=found, position=position, name=f"Rule {position}", **fields)
    for fields in splits:
        SplitRule.objects.create(rule_set=found, **fields)
    SourcingRuleSet.objects.filter(pk=found.pk).update(state="active", activated_at=timezone.now())
    return found


@contextmanager
def open_review_rules() -> Iterator[ReviewRuleSet]:
    """The version of the review rules that is on (made where there is none); in the block its rules can be changed."""
    version = ReviewRuleSet.objects.filter(state="active").first() or ReviewRuleSet.objects.create()
    rows = ReviewRuleSet.objects.filter(pk=version.pk)
    rows.update(state="draft", activated_at=None)
    yield version
    rows.update(state="active", activated_at=timezone.now())


def review_rule(name: str, is_: str, *, values: dict[str, Any] | None = None, **fields: Any) -> ReviewRule:
    """A review rule in force, of one condition with these values."""
    with open_review_rules() as version:
        return ReviewRule.objects.create(rule_set=version, name=name, condition={"is": is_, **(values or {})}, **fields)


def change_review_rules(*codes: str, **changes: Any) -> None:
    """Change the rules in force with these shipped codes, or all."""
    with open_review_rules() as version:
        rules = ReviewRule.objects.filter(rule_set=version)
        (rules.filter(code__in=codes) if codes else rules).update(**changes)


def listed(list_code: str = "deny", list_kind: str = "people", **fields: Any) -> ReviewListEntry:
    """An entry of a review list; the list is made where it is not there."""
    review_list, _made = ReviewList.objects.get_or_create(code=list_code, defaults={"kind": list_kind})
    entry = ReviewListEntry(review_list=review_list, **fields)
    entry.full_clean()
    entry.save()
    return entry


class UserFactory(DjangoModelFactory):  # type: ignore[type-arg]
    """A member of staff without rights; `is_superuser=True` has all. The password is `password`."""

    class Meta:
        model = get_user_model()
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"staff{n}")
    is_staff = True
    password = factory.LazyFunction(lambda: make_password("password"))


@dataclass(frozen=True)
class Shop:
    """A self-operated merchant, its channel, two SKUs of 10.00 and 25.50, and 100 units of each in one warehouse."""

    merchant: Merchant
    channel: Channel
    region: Region
    sku: Sku
    other_sku: Sku
    warehouse: Warehouse

    def body(self, *lines: "Sku | tuple[Sku, int, str]", **changes: Any) -> dict[str, Any]:
        """An order's body that the shop's channel may send: two units of `sku` unless lines are given."""
        return order_body(*(lines or [(self.sku, 2, "10.00")]), **{"source": self.channel.code, **changes})

    def place_order(self, *lines: "Sku | tuple[Sku, int, str]", **changes: Any) -> Order:
        """An order of the shop, stored."""
        return place(self.body(*lines, **changes), self.merchant)


def make_shop() -> Shop:
    """A shop that can sell and deliver."""
    region = RegionFactory()
    merchant = MerchantFactory(self_operated=True)
    warehouse = WarehouseFactory(merchant=merchant, region=region)
    sku = SkuFactory(merchant=merchant, list_price=Decimal("10.00"))
    other_sku = SkuFactory(merchant=merchant, list_price=Decimal("25.50"))
    for stocked in (sku, other_sku):
        StockFactory(sku=stocked, warehouse=warehouse)
    return Shop(merchant, ChannelFactory(merchant=merchant), region, sku, other_sku, warehouse)


def order_body(*lines: Sku | tuple[Sku, int, str], **changes: Any) -> dict[str, Any]:
    """A valid order as a channel would send it, with the payable amount worked out; `changes` replace fields.

    A line is a SKU (one unit at its list price) or (SKU, quantity, unit price). `changes` may add `coupon_amount`,
    `freight_amount`, `points`, `gift_card_amount`, `promotions`, `adjustment_amount`.
    """
    rows = [line if isinstance(line, tuple) else (line, 1, str(line.list_price)) for line in lines]
    body: dict[str, Any] = {
        "external_number": f"X-{next(_numbers):06}",
        "ordered_at": "2026-01-02T09:00:00+08:00",
        "buyer": {"id": "B1", "name": "张华", "phone": "13800001111"},
        "recipient": {
            "name": "张华",
            "phone": "13800001111",
            "region_code": "110101",
            "province": "北京市",
            "city": "北京市",
            "district": "东城区",
            "address": "中山路861号13栋837室",
        },
        "payment_method": "prepaid",
        "lines": [
            {"sku": sku.code, "merchant": sku.merchant.code, "name": sku.name, "quantity": units, "unit_price": price}
            for sku, units, price in rows
        ],
        "coupon_amount": "0.00",
        "freight_amount": "6.00",
        "points": {"used": 0, "amount": "0.00"},
        "gift_card_amount": "0.00",
        "promise": "standard",
        "remark": "",
        **changes,
    }
    if "payable_amount" not in changes:
        goods = sum((Decimal(price) * units for _sku, units, price in rows), Decimal(0))
        deductions = Decimal(body["coupon_amount"]) + Decimal(body["gift_card_amount"])
        deductions += sum((Decimal(promotion["amount"]) for promotion in body.get("promotions", ())), Decimal(0))
        deductions -= Decimal(body.get("adjustment_amount", 0))
        due = goods + Decimal(body["freight_amount"]) - deductions - Decimal(body["points"]["amount"])
        body["payable_amount"] = f"{due:.2f}"
    return body


def place_order(*lines: Sku | tuple[Sku, int, str], merchant: Merchant | None = None, **changes: Any) -> Order:
    """An order of the merchant (that of the first SKU unless given), stored by the real intake."""
    RegionFactory()
    rows = lines or (SkuFactory(),)
    first = rows[0][0] if isinstance(rows[0], tuple) else rows[0]
    return place(order_body(*rows, **changes), merchant or first.merchant)


def place(body: dict[str, Any], merchant: Merchant) -> Order:
    """The body as an order of the merchant, stored by the real intake."""
    decoded = decode(msgspec.json.encode(body))
    (outcome,) = place_orders([decoded], merchant, actor=Actor(ActorKind.MERCHANT, merchant.code))
    assert isinstance(outcome, Placed), outcome
    return Order.objects.get(pk=outcome.id)


def split_order(*lines: Sku | tuple[Sku, int, str], **changes: Any) -> Order:
    """An order, paid on delivery, that the review and split stages have taken to its sub-orders."""
    order = place_order(*lines, **{"payment_method": "cod", **changes})
    run(deciding.run, splitting.run)
    return Order.objects.get(pk=order.pk)


def allocated_order(*lines: Sku | tuple[Sku, int, str], **changes: Any) -> Order:
    """An order, paid on delivery, whose sub-orders went through sourcing, promised where levels are sold; give SKUs
    that are in stock."""
    order = split_order(*lines, **changes)
    run(allocating.run, keeping.run)
    return order


def run(*stages: Callable[[int], int]) -> None:
    """Run stages one after the other, each until it finds nothing more to do.

    Waits are skipped, since in a test's one transaction the time by which rows become ready never comes.
    """
    with clock.skipping_waits():
        for stage in stages:
            while stage(500):
                pass


class MerchantClient(APIClient):
    """Calls the API as a merchant's program does: each POST has an Idempotency-Key of its own unless one is given."""

    def generic(self, method: str, path: str, data: Any = "", *args: Any, **extra: Any) -> Any:
        """Call with a key. Give `HTTP_IDEMPOTENCY_KEY=""` for none."""
        if method == "POST" and "idempotency-key" not in {name.lower() for name in extra.get("headers") or {}}:
            extra.setdefault("HTTP_IDEMPOTENCY_KEY", uuid4().hex)
        return super().generic(method, path, data, *args, **extra)


class SignedClient(MerchantClient):
    """Signs every call with a secret of a credential."""

    def __init__(self, app_key: str, secret: str, **options: Any) -> None:
        super().__init__(raise_request_exception=False, **options)
        self.app_key, self.secret = app_key, secret

    def generic(self, method: str, path: str, data: Any = "", *args: Any, **extra: Any) -> Any:
        """Sign what `MerchantClient` would send; give `HTTP_AUTHORIZATION` to send that instead."""
        if method == "POST":
            extra.setdefault("HTTP_IDEMPOTENCY_KEY", uuid4().hex)
        body = data.encode() if isinstance(data, str) else data
        url = path
        if extra.get("QUERY_STRING"):
            url = f"{path}?{extra['QUERY_STRING']}"
        if "HTTP_AUTHORIZATION" not in extra:
            extra["HTTP_AUTHORIZATION"] = signing.authorization(
                self.app_key,
                self.secret,
                method,
                url,
                body,
                idempotency_key=extra.get("HTTP_IDEMPOTENCY_KEY", ""),
                if_match=extra.get("HTTP_IF_MATCH", ""),
            )
        return super().generic(method, path, body, *args, **extra)


def token_of(merchant: Merchant, **options: Any) -> str:
    """A new API token of the merchant; `options` as for `credentials.issue`."""
    token = credentials.issue(merchant, "test", with_token=True, **options).token
    assert token
    return token


def client_of(merchant: Merchant, **options: Any) -> MerchantClient:
    """An API client with a new token of the merchant; server errors come back as answers, not as exceptions."""
    client = MerchantClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token_of(merchant, **options)}")
    return client


def signed_client_of(merchant: Merchant, **options: Any) -> SignedClient:
    """An API client that signs with a new credential of the merchant."""
    issued = credentials.issue(merchant, "test", **options)
    return SignedClient(issued.credential.app_key, issued.secret)
