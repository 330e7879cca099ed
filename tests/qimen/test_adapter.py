"""What we ask of warehouses on the 奇门 form, over real HTTP."""

import pytest
from django.utils import timezone

from inventory.models import SkuBarcode
from logistics.models import WarehouseItem, WarehouseOrder
from logistics.warehouses import events, sending
from oms.common.models import Connection
from oms.common.work import xml
from oms.common.work.xml import text_of
from oms.simulators.mischief import Trick
from oms.simulators.wsgi import Request, Response
from orders.changing import cancelling
from orders.models import Order, OrderLink
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.qimen import world
from tests.qimen.world import Place

pytestmark = pytest.mark.django_db


def test_goods_are_told_of_once_before_they_are_asked_for_and_again_once_they_changed(
    shop: factories.Shop, link: Connection, place: Place
) -> None:
    (part, *_rest) = world.released(*(shop.place_order(payment_method="cod") for _ in range(3)))

    merchant, sku = shop.merchant.code, shop.sku
    assert place.peer.book.items() == {(merchant, sku.code): 1}
    document = place.peer.book.find(world.number(part))
    assert document
    assert (document.owner, document.warehouse, document.order_type) == (merchant, shop.warehouse.code, "JYCK")
    assert [(line.sku, line.planned) for line in document.lines] == [(sku.code, 2)]
    work = steps.work_of(part)
    assert (work.state, work.their_number) == ("sent", document.own_id)
    assert len(WarehouseItem.objects.get().told) == 32

    SkuBarcode.objects.create(merchant=shop.merchant, sku=sku, code="6900000000001")
    world.released(shop.place_order(payment_method="cod"))
    assert place.peer.book.items() == {(merchant, sku.code): 2}
    assert WarehouseItem.objects.count() == 1


def follows(order: Order, original: Order, kind: str) -> Order:
    """The order, which follows from the original one."""
    OrderLink.objects.create(
        order=order,
        original=original,
        kind=kind,
        reason="" if kind == "exchange" else "lost",
        bearer="merchant",
        units={"1": 1},
        created_by="li",
    )
    return order


def test_what_is_exchanged_or_sent_again_says_so_and_is_stopped_as_what_it_is(
    shop: factories.Shop, link: Connection, place: Place
) -> None:
    original = shop.place_order(payment_method="cod")
    (first,) = world.released(original)
    orders = [follows(shop.place_order(payment_method="cod"), original, kind) for kind in ("exchange", "reissue")]
    asked: list[tuple[str, str]] = []
    answer = place.peer._answer

    def heard(request: Request) -> Response:
        body = xml.parse(request.body.decode())
        for head in (body, body.find("deliveryOrder")):
            if head is not None and (kind := text_of(head, "orderType")):
                asked.append((kind, text_of(head, "preDeliveryOrderCode")))
        return answer(request)

    place.peer._answer = heard  # type: ignore[method-assign]
    parts = world.released(*orders)
    before = steps.work_of(first)
    assert asked == [("HHCK", before.number), ("BFCK", before.number)]
    types = {place.peer.book.find(world.number(part)).order_type for part in parts}  # type: ignore[union-attr]
    assert types == {"HHCK", "BFCK"}

    asked.clear()
    for order in orders:
        cancelling.cancel_order(order.pk, actor=steps.STAFF, reason="buyer")
    world.asked_to_stop()
    assert sorted(kind for kind, _before in asked) == ["BFCK", "HHCK"]
    assert [place.peer.book.find(world.number(part)).state for part in parts] == ["CANCELED"] * 2  # type: ignore[union-attr]


def test_a_warehouse_that_knows_no_exchanges_gets_them_as_plain_orders(shop: factories.Shop, place: Place) -> None:
    world.connect(place, shop.warehouse, exchange_type="JYCK", reissue_type="JYCK")
    original = shop.place_order(payment_method="cod")
    world.released(original)

    parts = world.released(
        *(follows(shop.place_order(payment_method="cod"), original, kind) for kind in ("exchange", "reissue"))
    )

    types = {place.peer.book.find(world.number(part)).order_type for part in parts}  # type: ignore[union-attr]
    assert types == {"JYCK"}


def test_an_order_whose_goods_are_refused_waits_with_the_reason_and_goes_when_they_are_taken(
    shop: factories.Shop, link: Connection, place: Place
) -> None:
    place.peer.refused_items.add(shop.other_sku.code)
    waiting, going = world.released(
        shop.place_order((shop.sku, 1, "10.00"), (shop.other_sku, 1, "25.50"), payment_method="cod"),
        shop.place_order(payment_method="cod"),
    )

    work = steps.work_of(waiting)
    assert (work.state, work.attempts, steps.work_of(going).state) == ("intended", 1, "sent")
    assert work.last_error == f"goods not taken: {shop.other_sku.code}: I02 商品{shop.other_sku.code}条码无效"
    assert WarehouseItem.objects.get(sku=shop.other_sku).refusal.startswith("I02 ")
    link.refresh_from_db()
    assert link.failures == 0

    place.peer.refused_items.clear()
    # Its stage gave it up meanwhile: a person presses the button on its page.
    page = f"/admin/logistics/warehouseorder/{work.pk}/"
    boss = client_of("view_warehouseorder", "retry_warehouseorder")
    assert f"{page}retry/" not in boss.get(f"{page}change/").content.decode()
    WarehouseOrder.objects.filter(pk=work.pk).update(needs_person_since=timezone.now(), ready_at=None)
    shown = boss.get(f"{page}change/").content.decode()
    assert f"{page}retry/" in shown
    assert "条码无效" in shown
    assert client_of("view_warehouseorder").post(f"{page}retry/").status_code == 403
    boss.post(f"{page}retry/")
    boss.post(f"{page}retry/")
    steps.once(sending.run)
    assert (steps.work_of(waiting).state, WarehouseItem.objects.get(sku=shop.other_sku).refusal) == ("sent", "")


@pytest.mark.parametrize(
    "trick",
    [
        *(Trick.ERROR_BEFORE, Trick.ERROR_AFTER, Trick.DROP_AFTER, Trick.GARBAGE, Trick.SYSTEM_ERROR_AFTER),
        Trick.BAD_SIGNATURE,
    ],
)
@pytest.mark.parametrize("repeats_are_failures", [False, True])
def test_what_is_not_answered_is_asked_again_under_the_same_number_and_made_once(
    shop: factories.Shop, link: Connection, place: Place, trick: Trick, repeats_are_failures: bool
) -> None:
    place.peer.repeats_are_failures = repeats_are_failures
    world.released(shop.place_order(payment_method="cod"))
    place.peer.mischief.plan(trick)
    (part,) = world.released(shop.place_order(payment_method="cod"))
    assert (steps.work_of(part).state, steps.work_of(part).attempts) == ("intended", 1)

    steps.once(sending.run)

    document = place.peer.book.find(world.number(part))
    assert document
    assert document.asked == (1 if trick == Trick.ERROR_BEFORE else 2)
    assert (steps.work_of(part).state, steps.work_of(part).their_number) == ("sent", document.own_id)
    assert len(place.peer.book.documents()) == 2


def test_a_warehouse_that_forgot_the_goods_is_told_once_more(
    shop: factories.Shop, link: Connection, place: Place
) -> None:
    world.released(shop.place_order(payment_method="cod"))
    place.peer.book.forget_items()

    (part,) = world.released(shop.place_order(payment_method="cod"))

    assert steps.work_of(part).state == "sent"
    assert place.peer.book.items() == {(shop.merchant.code, shop.sku.code): 1}


def test_a_definite_refusal_sends_the_goods_from_elsewhere(
    shop: factories.Shop, link: Connection, place: Place
) -> None:
    shop.warehouse.refresh_from_db()
    type(shop.warehouse).objects.update(contact_phone="")  # the form needs one

    (part,) = world.released(shop.place_order(payment_method="cod"))
    factories.run(events.run)

    assert steps.state_of(steps.work_of(part)) == "refused"
    assert steps.fresh(part).last_error == "P01 缺少必填项 senderInfo/mobile"
    assert steps.tickets() == [("warehouse_refused", "refused")]


def test_many_are_handed_over_together_and_only_those_that_are_named_failed(
    shop: factories.Shop, link: Connection, place: Place
) -> None:
    Connection.objects.update(options={**link.options, "creates_by": "deliveryorder.batchcreate", "batch": 2})
    parts = world.released(*(shop.place_order(payment_method="cod") for _ in range(3)))
    assert [steps.work_of(part).state for part in parts] == ["sent"] * 3
    assert len(place.peer.book.documents()) == 3

    place.peer.book.forget_items()
    parts = world.released(*(shop.place_order(payment_method="cod") for _ in range(3)))
    assert {steps.work_of(part).last_error for part in parts} == {f"商品不存在: {shop.sku.code}"}
    steps.once(sending.run)
    assert [steps.work_of(part).state for part in parts] == ["sent"] * 3


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("refuses", [False, True])
def test_a_cancellation_is_answered_at_once_or_later(
    shop: factories.Shop, link: Connection, place: Place, later: bool, refuses: bool
) -> None:
    Connection.objects.update(options={**link.options, "cancels_later": later})
    place.peer.cancels_later, place.peer.refuses_cancelling = later, refuses
    order = shop.place_order(payment_method="cod")
    (part,) = world.released(order)

    cancelling.cancel_order(order.pk, actor=steps.STAFF, reason="buyer")
    world.asked_to_stop()
    if later:
        assert steps.work_of(part).stop_answer == ""
        world.told(place)

    assert steps.work_of(part).stop_answer == ("refused" if refuses else "granted")
    assert steps.state_of(part) == ("released" if refuses else "cancelled")
    assert shop.sku.stock.get().reserved == (2 if refuses else 0)


def test_several_warehouses_go_over_connections_of_their_own_some_pretended(
    shop: factories.Shop, link: Connection, place: Place
) -> None:
    other = factories.WarehouseFactory(merchant=shop.merchant, region=shop.region)
    sku = factories.SkuFactory(merchant=shop.merchant)
    factories.StockFactory(sku=sku, warehouse=other)
    one, two = world.released(
        shop.place_order(payment_method="cod"), shop.place_order((sku, 1, "10.00"), payment_method="cod")
    )

    links = dict(WarehouseOrder.objects.values_list("sub_order_id", "connection__protocol"))
    assert links == {one.pk: "qimen", two.pk: "sandbox"}
    assert [document.code for document in place.peer.book.documents()] == [world.number(one)]
