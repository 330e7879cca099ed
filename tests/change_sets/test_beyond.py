"""Actions of change sets beyond goods and amounts: an invoice, an exchange, a split; each is looked at first."""

import pytest

from oms.common.errors import WrongFields
from orders.changing.sets import beyond, drafting
from orders.changing.sets.drafting import CannotChange
from orders.models import ChangeSet, Exchange, InvoiceRequest, Order, OrderEvent, ReturnRequest, SubOrder
from tests import factories, steps
from tests.api.calls import ORDERS
from tests.api.calls import change as call
from tests.change_sets.helpers import add, adjust, change, seen
from tests.change_sets.test_changing import paid
from tests.returns.world import install, line_of, many

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]

TITLE = {"title_type": "company", "title": "示例科技有限公司", "tax_number": "91110000600037341L"}
INVOICE = {"do": "invoice", "invoice": TITLE}


def refused(order: Order, *wish: dict) -> dict[str, str]:
    """Which fields are wrong, and how; a preview says the same as the confirmation, and nothing is changed."""
    before = list(OrderEvent.objects.filter(order=order).values_list("pk", flat=True))
    with pytest.raises(WrongFields) as looked:
        seen(order, *wish)
    with pytest.raises(WrongFields) as tried:
        change(order, *wish)
    assert looked.value.errors == tried.value.errors
    assert list(OrderEvent.objects.filter(order=order).values_list("pk", flat=True)) == before
    return {error.attr or "": error.code for error in tried.value.errors}


def exchange(order: Order, units: int = 1, **more) -> dict:
    part = line_of(order).sub_order.number
    told = {"do": "exchange", "sub_order": part, "return_reason": "no_reason", **more}
    return {"units": [{"line": 1, "quantity": units}], **told}


def test_an_invoice_is_asked_for_together_with_a_lower_price(shop):
    order = paid(shop, (shop.sku, 2, "10.00"))

    preview = seen(order, INVOICE, adjust("-1.00"))

    assert [one["do"] for one in preview.beyond] == ["invoice"]
    assert "Company" in beyond.sentences(preview.beyond[0])[0]
    assert not InvoiceRequest.objects.exists()
    row = change(order, INVOICE, adjust("-1.00"), stamp=preview.stamp)
    assert InvoiceRequest.objects.get().details["title"] == TITLE["title"]
    assert row.state == "confirmed"
    assert OrderEvent.objects.get(kind="changed").data["what"] == ["adjust", "invoice"]
    assert steps.broken_invariants() == []


def test_the_title_of_a_draft_is_sealed_and_read_again(shop):
    order = paid(shop, (shop.sku, 2, "10.00"))
    recipient = {"do": "recipient", "name": "李娜"}
    drafting.save(order.pk, [INVOICE, adjust("-1.00"), recipient], reason="x", actor=steps.STAFF)

    row = ChangeSet.objects.get()
    assert row.actions == [adjust("-1.00")]
    assert row.wish == [adjust("-1.00"), INVOICE, recipient]


def test_what_is_wrong_of_an_invoice_is_named(shop):
    order = paid(shop, (shop.sku, 2, "10.00"))
    company = {"do": "invoice", "invoice": {"title_type": "company", "title": "示例科技有限公司"}}
    assert list(refused(order, company)) == ["actions.0.invoice.tax_number"]
    assert refused(order, INVOICE, INVOICE) == {"actions.1.do": "repeated"}
    assert refused(order, {"do": "invoice"}) == {"actions.0.invoice": "required"}
    unknown = {"do": "invoice", "invoice": {**TITLE, "tax": "1"}}
    assert refused(order, unknown) == {"actions.0.invoice.tax": "unknown_field"}


def test_an_exchange_and_an_invoice_are_one_change_of_a_completed_order(shop):
    install()
    order = many(shop, 2)
    goods = [{"sku": shop.other_sku.code, "quantity": 1}]

    preview = seen(order, exchange(order, goods=goods), INVOICE)

    shown = preview.beyond[0]
    assert (shown["costs"], shown["credit"], shown["to_pay"], shown["goes_back"]) == ("25.50", "10.00", "15.50", "0.00")
    assert "¥15.50" in beyond.sentences(shown)[0]
    assert not ReturnRequest.objects.exists()
    assert not Order.objects.exclude(pk=order.pk).exists()
    change(order, exchange(order, goods=goods), INVOICE)
    row = Exchange.objects.select_related("new_order").get()
    assert (str(row.new_amount), str(row.credit), row.new_order.state) == ("25.50", "10.00", "awaiting_payment")
    assert InvoiceRequest.objects.filter(order=order).exists()
    assert steps.broken_invariants() == []


def test_where_one_action_is_refused_nothing_of_the_change_is_done(shop):
    install()
    order = many(shop, 2)
    with pytest.raises(Exception, match="can still come back"):
        change(order, INVOICE, exchange(order, 3))
    assert not InvoiceRequest.objects.exists()
    assert not ChangeSet.objects.exists()


def test_what_is_wrong_of_an_exchange_is_named(shop):
    install()
    order = many(shop, 2)
    assert refused(order, exchange(order) | {"sub_order": "1"}) == {"actions.0.sub_order": "not_found"}
    assert refused(order, exchange(order) | {"units": []}) == {"actions.0.units": "required"}
    other = exchange(order) | {"units": [{"line": 7, "quantity": 1}]}
    assert refused(order, other) == {"actions.0.units.0.line": "unknown_line"}
    assert refused(order, exchange(order, goods=[{"sku": "P"}])) == {"actions.0.goods.0.quantity": "invalid"}


def test_goods_of_another_merchant_are_not_exchanged_without_asking_it(shop):
    install()
    order = many(shop, 2)
    SubOrder.objects.filter(order=order).update(merchant=factories.MerchantFactory())
    assert refused(order, exchange(order)) == {"actions.0.sub_order": "not_yours"}


def test_a_split_is_a_part_of_a_change(shop):
    order = paid(shop, (shop.sku, 3, "10.00"), split=True)
    part = order.sub_orders.get()
    split = {"do": "split", "sub_order": part.number, "units": [{"line": 1, "quantity": 1}]}

    assert seen(order, split).parcels == 1
    assert order.sub_orders.count() == 1
    change(order, split, adjust("-1.00"))

    living = SubOrder.objects.filter(order=order, state="allocated").values_list("total_quantity", flat=True)
    assert sorted(living) == [1, 2]
    assert refused(order, split | {"sub_order": "1"}) == {"actions.0.sub_order": "not_found"}
    assert steps.broken_invariants() == []


def test_a_merge_is_a_part_of_a_change(shop):
    one, other = (paid(shop, (shop.sku, 3, "10.00"), split=True) for _ in range(2))
    numbers = [SubOrder.objects.get(order=order).number for order in (one, other)]
    merge = {"do": "merge", "sub_order": numbers[0], "together_with": numbers[1:]}

    seen(one, merge, adjust("-1.00"))
    assert not SubOrder.objects.filter(merge_group__isnull=False).exists()
    with pytest.raises(CannotChange, match="paid first"):
        change(one, merge, add(shop.other_sku))
    change(one, merge, adjust("-1.00"))

    assert SubOrder.objects.filter(merge_group__isnull=False).count() == 2
    assert OrderEvent.objects.get(kind="changed").data["what"] == ["adjust", "merge"]
    assert steps.broken_invariants() == []


def test_only_what_is_the_merchants_own_is_merged(shop):
    one = paid(shop, (shop.sku, 3, "10.00"), split=True)
    stranger = factories.make_shop()
    other = paid(stranger, (stranger.sku, 3, "10.00"), split=True)
    number = SubOrder.objects.get(order=one).number
    for named in ([SubOrder.objects.get(order=other).number], [number], [], "x"):
        merge = {"do": "merge", "sub_order": number, "together_with": named}
        assert refused(one, merge) == {"actions.0.together_with": "not_found"}


def test_by_the_api_an_invoice_takes_its_own_scope_and_many_orders_are_changed_at_once(shop):
    order = paid(shop, (shop.sku, 2, "10.00"))
    body = {"reason": "x", "actions": [INVOICE]}
    url, version = f"{ORDERS}/{order.number}/changes", Order.objects.get(pk=order.pk).version
    writer = factories.client_of(shop.merchant, scopes=["orders.write"])
    assert call(writer, "post", url, body, version=version).status_code == 403
    rows = {"orders": [{"number": order.number, **body}]}
    many_at_once = call(writer, "post", f"{ORDERS}/changes", rows).json()["results"]
    assert [one["status"] for one in many_at_once] == ["refused"]
    assert many_at_once[0]["errors"][0]["code"] == "permission_denied"

    both = factories.client_of(shop.merchant, scopes=["orders.write", "invoices.request"])
    looked = call(both, "post", url, body | {"preview": True}, version=version)
    assert looked.json()["others"] == [{"do": "invoice", "kind": "ordinary", "title_type": "company"}]
    assert not InvoiceRequest.objects.exists()
    assert call(both, "post", f"{ORDERS}/changes", rows).json()["results"][0]["status"] == "changed"
    assert InvoiceRequest.objects.get().title_type == "company"
