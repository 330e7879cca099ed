"""Something of everything that a merchant can reach, for tests that walk over all operations."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import time_machine
from django.utils import timezone

from inventory import hold_plans, holding, purchasing, sharing, transferring
from inventory.models import (
    HoldPurpose,
    PurchaseOrder,
    ReplenishmentPolicy,
    Sku,
    StockHold,
    StorageClass,
    Transfer,
    Warehouse,
)
from inventory.replenishing import policies, watching
from inventory.replenishing.policies import NewPolicy
from inventory.transferring import Moved
from logistics.by_merchant import opening
from logistics.models import CarrierAccount, Shipment, WarehouseOrder, WaybillShare
from oms.common.errors import FieldError
from oms.common.secrecy import seal
from oms.doors.loc import creating
from oms.merchants.models import Channel, WebhookDelivery, WebhookEndpoint
from oms.merchants.webhooks import endpoints
from orders.actors import Actor
from orders.changing import units
from orders.fulfilling import allocating
from orders.intake import rejecting
from orders.matching import matches
from orders.matching.matches import NewComponent, NewMatch
from orders.models import (
    ActorKind,
    DeliveryPromise,
    Order,
    PromiseSource,
    RejectedOrder,
    ReturnRequest,
    SkuMatch,
    SubOrder,
)
from orders.telling import timeline
from payments.balances.issuing import Issued
from payments.models import BalanceAccount, Invoice, Payment, Refund, RowKind, Statement
from payments.owing import balancing
from payments.statements import closing
from tests import factories, steps
from tests.balances import wallets
from tests.invoicing import world as invoices
from tests.returns import rows as return_rows


@dataclass(frozen=True)
class Things:
    """One of everything of a merchant."""

    shop: factories.Shop
    order: Order
    sub_order: SubOrder
    payment: Payment
    refund: Refund
    card: Issued
    points: BalanceAccount
    shipment: Shipment
    rejected: RejectedOrder
    loc_order: Order
    virtual_order: Order
    virtual_sku: Sku
    endpoint: WebhookEndpoint
    delivery: WebhookDelivery
    match: SkuMatch
    purchase: PurchaseOrder
    transfer: Transfer
    statement: Statement
    invoice: Invoice
    cart: StockHold
    returned: ReturnRequest
    policy: ReplenishmentPolicy
    work: WarehouseOrder


def virtual_sku(shop: factories.Shop) -> Sku:
    """A virtual article of the shop, with units in a virtual warehouse of its own."""
    sku = factories.SkuFactory(merchant=shop.merchant, storage_class=StorageClass.VIRTUAL, list_price=Decimal("15.00"))
    warehouse = factories.WarehouseFactory(
        merchant=factories.MerchantFactory(),
        kind=Warehouse.Kind.VIRTUAL,
        storage_classes=[StorageClass.VIRTUAL],
        region=shop.region,
    )
    factories.StockFactory(sku=sku, warehouse=warehouse)
    return sku


def goods(shop: factories.Shop, **changes: object) -> creating.LocGoodsBody:
    """An order by the LOC interface."""
    item = creating.LocItem(shop.sku.code, 2)
    values = {"order_id": "L1", "user_id": "U1", "items": [item], "delivery_address": "北京市东城区中山路861号"}
    values["receiver_phone"] = "13800001111"
    return creating.LocGoodsBody(**{**values, **changes})


def virtual(sku: Sku, **changes: object) -> creating.LocVirtualBody:
    """An order of virtual goods by the LOC interface, paid."""
    values = {
        "order_id": "V1",
        "user_id": "U1",
        "product_id": sku.code,
        "product_name": "会员月卡",
        "product_price": Decimal("15.00"),
        "quantity": 1,
        "order_status": "待支付",
        "payment_status": "已支付",
        "order_time": "2026-01-02 12:00:00",
    }
    return creating.LocVirtualBody(**{**values, **changes})


def populate(shop: factories.Shop) -> Things:
    """Make one of everything of the shop."""
    actor = Actor(ActorKind.MERCHANT, shop.merchant.code)
    parcel = steps.shipped(shop.place_order(payment_method="cod"))
    order = shop.place_order((shop.sku, 3, "10.00"), (shop.other_sku, 1, "25.50"))
    steps.pay(order)
    steps.approve_and_split()
    factories.run(allocating.run)
    units.cancel_units(order.pk, {1: 1}, reason="one is enough", actor=actor)
    factories.run(balancing.run)
    timeline.add_note(order.pk, text="after six", actor=actor)
    row = rejecting.RefusedRow(b'{"external_number": "bad"}', "bad", [FieldError("lines", "required", "Lines.")])
    rejecting.keep(shop.merchant, RejectedOrder.Door.BULK, [row])
    Channel.objects.filter(pk=shop.channel.pk).update(matches_skus=True)
    its = NewMatch(shop.channel.code, "ITS", (NewComponent(shop.sku.code),))
    match = matches.put(shop.merchant, its, actor=actor)
    assert isinstance(match, SkuMatch)
    unknown = shop.body()
    factories.place({**unknown, "lines": [{**unknown["lines"][0], "sku": "HERS"}]}, shop.merchant)
    sku = virtual_sku(shop)
    endpoint = WebhookEndpoint.objects.create(
        merchant=shop.merchant, url="https://1.1.1.1/", event_types=["refund.*"], secret=seal("whsec_c2VjcmV0")
    )
    assert parcel.carrier
    account = CarrierAccount.objects.create(carrier=parcel.carrier, connection=parcel.carrier.connection, name="x")
    WaybillShare.objects.create(account=account, merchant=shop.merchant, most_a_day=5)
    # As if the merchant ran the warehouse itself.
    WarehouseOrder.objects.filter(pk=parcel.warehouse_order_id).update(connection=opening.link())
    promise(parcel.sub_order)
    return Things(
        shop=shop,
        work=WarehouseOrder.objects.get(pk=parcel.warehouse_order_id),
        order=Order.objects.get(pk=order.pk),
        sub_order=SubOrder.objects.filter(order=order).order_by("id")[0],
        payment=Payment.objects.get(order=order),
        refund=Refund.objects.get(order=order),
        card=wallets.card(shop.merchant),
        points=wallets.member(shop.merchant, 100),
        shipment=parcel,
        rejected=RejectedOrder.objects.get(merchant=shop.merchant),
        loc_order=creating.create(shop.merchant, goods(shop), actor=actor),
        virtual_order=creating.create(shop.merchant, virtual(sku), actor=actor),
        virtual_sku=sku,
        endpoint=endpoint,
        delivery=endpoints.ping(endpoint.pk),
        match=match,
        purchase=purchasing.order(
            shop.merchant, "PO-1", shop.warehouse, [purchasing.Bought(shop.sku.code, 5)], actor="test"
        ),
        transfer=moved(shop),
        statement=_statement(shop),
        invoice=invoices.written(order, shop.merchant),
        cart=cart_of(shop),
        returned=return_rows.asked(parcel.sub_order),
        policy=alert_line(shop),
    )


def promise(part: SubOrder) -> None:
    """Something that the sub-order is promised, though no level is sold."""
    day = timezone.now() + timedelta(days=2)
    where = {"warehouse_id": part.warehouse_id, "expected_warehouse_id": part.warehouse_id}
    inputs = {"region_id": part.order.region_id, "starts_at": timezone.now(), "tables_version": 0}
    DeliveryPromise.objects.create(
        order_id=part.order_id,
        sub_order=part,
        number=1,
        source=PromiseSource.OURS,
        promised_by=day,
        planned_by=day,
        **where,
        **inputs,
    )


def moved(shop: factories.Shop) -> Transfer:
    """A transfer of the shop's goods to another of its warehouses."""
    target = factories.WarehouseFactory(merchant=shop.merchant, region=shop.region)
    return transferring.draft(shop.warehouse, target, [Moved(shop.sku, 2)], actor="test", reference="TR-1")


def alert_line(shop: factories.Shop) -> ReplenishmentPolicy:
    """An alert line of the shop's, to which its position came down: something is suggested."""
    row = NewPolicy(shop.warehouse.code, shop.sku.code, reorder_point=1_000, order_up_to=2_000)
    policies.set_policies(shop.merchant, [row], actor="test")
    for part in range(watching.PARTS):
        watching.watch(part=part, seconds=60)
    return ReplenishmentPolicy.objects.get(sku=shop.sku)


def cart_of(shop: factories.Shop) -> StockHold:
    """A unit of the shop's, set aside for a while; its channel may sell nine tenths of the stock."""
    goods = hold_plans.Item(1, shop.sku.code, shop.sku.pk, shop.merchant.pk, shop.sku.storage_class, 1)
    new = hold_plans.NewHold(shop.merchant.pk, shop.channel.pk, HoldPurpose.CART, [goods], seconds=600)
    hold_id = holding.set_aside(new, actor="test").hold_id
    sharing.set_shares([sharing.NewShare(shop.channel.pk, None, sharing.Share(90))], actor="test")
    return StockHold.objects.get(pk=hold_id)


def _statement(shop: factories.Shop) -> Statement:
    """A statement of the day before yesterday."""
    before = timezone.now() - timedelta(days=2)
    with time_machine.travel(before):
        closing.add_by_hand(
            shop.merchant.pk, RowKind.FINE, Decimal(-1), reason="x", actor=steps.STAFF, key=str(shop.merchant.pk)
        )
    day = timezone.localdate(before)
    return closing.close(shop.merchant.pk, closing.Span(day, day + timedelta(days=1)), actor=steps.STAFF)
