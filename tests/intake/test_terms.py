"""Wishes and terms of an order: what is taken and shown, and what is refused, by field and code."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from logistics.carriers.defaults import install_default_carriers
from logistics.models import Carrier
from orders.models import InvoiceRequest, Order, OrderLine, OrderTerms
from tests import factories, steps
from tests.api.calls import BULK, change, errors_of, send, send_bulk

pytestmark = pytest.mark.django_db

SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
LATER = SOON + timedelta(days=1)
COMPANY = {"title_type": "company", "title": "示例科技有限公司", "tax_number": "9111 0000 6000 37341l"}


def at(moment):
    """The moment as a caller writes it."""
    return moment.isoformat()


def everything():
    """All wishes and terms at once."""
    return {
        "ship_not_before": at(SOON),
        "carrier": "ZTO",
        "delivery_from": at(LATER),
        "delivery_until": at(LATER + timedelta(hours=2)),
        "ship_by": "2026-01-03T09:00:00+08:00",
        "collect_by": at(LATER),
        "sign_by": at(LATER),
        "receiver_token": "oaid-7f3a",
        "seller_memo": "第一行\n第二行",
        "flag": 3,
        "metadata": {"campaign": "new-year", "x.y_z-1": ""},
        "invoice": {**COMPANY, "kind": "special", "bank_name": "中国银行", "phone": "138 0000 1111"},
    }


def test_all_of_it_is_kept_and_shown_by_every_door(api, shop):
    install_default_carriers()
    body = shop.body(**everything())

    answer = send(api, body)
    (bulk,) = send_bulk(api, shop.body(**everything()))

    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert shown == api.get(answer["Location"]).json()
    assert bulk["status"] == "created"
    other = api.get(f"/api/v1/orders/{bulk['number']}").json()
    for name, value in everything().items():
        if name in ("receiver_token", "invoice"):
            continue
        for one in (shown, other):
            if "T" in str(value) and name not in ("carrier", "seller_memo", "metadata"):
                assert datetime.fromisoformat(one[name]) == datetime.fromisoformat(value), name
            else:
                assert one[name] == value, name
    assert shown["late"] == ["ship_by"]
    assert (shown["has_receiver_token"], shown["carrier_unmet"]) == (True, "")
    assert shown["invoice"] == {
        "kind": "special",
        "title_type": "company",
        "title": "示例科技有限公司",
        "tax_number": "91110000600037341L",
        "bank_name": "中国银行",
        "bank_account": "",
        "address": "",
        "phone": "13800001111",
        "email": "",
    }
    assert "oaid-7f3a" not in json.dumps(shown)
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text, i::text FROM orders_orderterms t JOIN orders_invoicerequest i USING (order_id)")
        stored = str(cursor.fetchall())
    assert "oaid-7f3a" not in stored
    assert "示例科技" not in stored
    assert steps.broken_invariants() == []


def test_a_plain_order_has_no_rows_and_shows_that_there_is_nothing(api, shop):
    answer = send(api, shop.body())

    shown = answer.json()
    assert shown == api.get(answer["Location"]).json()
    assert (shown["carrier"], shown["metadata"], shown["late"], shown["flag"]) == ("", {}, [], 0)
    assert (shown["ship_by"], shown["invoice"], shown["has_receiver_token"]) == (None, None, False)
    assert not OrderTerms.objects.exists()
    assert not InvoiceRequest.objects.exists()


REFUSALS = {
    "no zone": ({"ship_by": "2026-01-02T09:00:00"}, "ship_by", "no_time_zone"),
    "before 2000": ({"collect_by": "1999-01-02T09:00:00Z"}, "collect_by", "out_of_range"),
    "far ahead": ({"ship_not_before": "2199-01-02T09:00:00Z"}, "ship_not_before", "out_of_range"),
    "no time": ({"sign_by": "soon"}, "sign_by", "invalid"),
    "backwards": (
        {"delivery_from": at(LATER), "delivery_until": at(SOON)},
        "delivery_until",
        "before_its_beginning",
    ),
    "delivery in the past": ({"delivery_until": "2026-01-02T09:00:00Z"}, "delivery_until", "in_the_past"),
    "delivery before it ships": (
        {"delivery_until": at(SOON), "ship_not_before": at(LATER)},
        "delivery_until",
        "before_it_ships",
    ),
    "unknown carrier": ({"carrier": "NONE"}, "carrier", "unknown_carrier"),
    "inactive carrier": ({"carrier": "JD"}, "carrier", "inactive_carrier"),
    "unknown kind of carrier": ({"carrier_class": "drone"}, "carrier_class", "invalid_choice"),
    "kind of carrier that none is": ({"carrier_class": "own"}, "carrier_class", "no_such_carrier"),
    "two wishes": ({"carrier": "SF", "carrier_class": "third_party"}, "carrier_class", "two_wishes"),
    "long token": ({"receiver_token": "x" * 501}, "receiver_token", "too_long"),
    "long memo": ({"seller_memo": "记" * 501}, "seller_memo", "too_long"),
    "NUL in a memo": ({"seller_memo": "\0"}, "seller_memo", "control_character"),
    "no flag": ({"flag": 6}, "flag", "invalid_choice"),
    "negative flag": ({"flag": -1}, "flag", "invalid_choice"),
    "many keys": ({"metadata": {f"k{i}": "v" for i in range(51)}}, "metadata", "too_many_keys"),
    "key with a blank": ({"metadata": {"a b": "v"}}, "metadata", "invalid_key"),
    "long key": ({"metadata": {"k" * 41: "v"}}, "metadata", "invalid_key"),
    "long value": ({"metadata": {"k": "v" * 501}}, "metadata.k", "too_long"),
    "value that is no text": ({"metadata": {"k": 1}}, "metadata", "invalid"),
    "NUL in a value": ({"metadata": {"k": "\0"}}, "metadata.k", "control_character"),
    "too much": ({"metadata": {f"k{i}": "v" * 400 for i in range(25)}}, "metadata", "too_large"),
    "invoice of nobody": ({"invoice": {"title": "x"}}, "invoice.title_type", "required"),
    "invoice with a slip": ({"invoice": {**COMPANY, "titel": "x"}}, "invoice.titel", "unknown_field"),
    "kind of invoice": ({"invoice": {**COMPANY, "kind": "gold"}}, "invoice.kind", "invalid_choice"),
    "invoice to a robot": ({"invoice": {"title_type": "robot"}}, "invoice.title_type", "invalid_choice"),
    "special invoice for a person": (
        {"invoice": {"title_type": "personal", "kind": "special"}},
        "invoice.title_type",
        "company_required",
    ),
    "company without title": ({"invoice": {**COMPANY, "title": ""}}, "invoice.title", "blank"),
    "company without number": ({"invoice": {**COMPANY, "tax_number": " "}}, "invoice.tax_number", "required"),
    "bad check digit": (
        {"invoice": {**COMPANY, "tax_number": "911100006000373410"}},
        "invoice.tax_number",
        "invalid_tax_number",
    ),
    "letter that does not exist": (
        {"invoice": {**COMPANY, "tax_number": "91110000600037341I"}},
        "invoice.tax_number",
        "invalid_tax_number",
    ),
    "bad length": ({"invoice": {**COMPANY, "tax_number": "12345"}}, "invoice.tax_number", "invalid_tax_number"),
    "bad e-mail": ({"invoice": {**COMPANY, "email": "nobody"}}, "invoice.email", "invalid_email"),
    "bad phone": ({"invoice": {**COMPANY, "phone": "12"}}, "invoice.phone", "invalid_phone"),
}


@pytest.mark.parametrize(("changes", "attr", "code"), REFUSALS.values(), ids=REFUSALS)
def test_what_is_wrong_is_refused_by_its_field(api, shop, changes, attr, code):
    install_default_carriers()
    Carrier.objects.filter(code="JD").update(is_active=False)

    response = send(api, shop.body(**changes))

    assert response.status_code == 400
    assert errors_of(response) == {(attr, code)}
    assert not Order.objects.exists()


def test_the_refusal_of_a_carrier_names_those_that_there_are(api, shop):
    install_default_carriers()
    (error,) = send(api, shop.body(carrier="DHL")).json()["errors"]
    assert "SF, JD, ZTO" in error["detail"]


@pytest.mark.parametrize("number", ["110101600037341", "11010519491231002X", "９１１１００００６０００３７３４１L"])
def test_old_numbers_and_those_of_sole_traders_are_taken(api, shop, number):
    response = send(api, shop.body(invoice={**COMPANY, "tax_number": number}))
    assert response.status_code == 201, response.content


def test_a_person_need_not_say_more_than_that_an_invoice_is_wanted(api, shop):
    shown = send(api, shop.body(invoice={"title_type": "personal"})).json()["invoice"]
    assert (shown["kind"], shown["title"], shown["tax_number"]) == ("ordinary", "个人", "")


# --- Lines


def with_lines(shop, *changes):
    """A body with a line for each of the changes."""
    body = shop.body(*[(shop.sku, 2, "10.00")] * len(changes))
    for line, change_ in zip(body["lines"], changes, strict=True):
        line.update(change_)
    goods = sum(20 for change_ in changes if not change_.get("is_gift"))
    return {**body, "payable_amount": f"{goods + 6}.00"}


GIFT = {"is_gift": True, "unit_price": "0.00", "stated_value": "9.90"}


def test_lines_keep_the_callers_ids_and_gifts_their_value(api, shop):
    answer = send(api, with_lines(shop, {"id": "A-1"}, {**GIFT, "id": "礼品 2"}, {}))

    assert answer.status_code == 201, answer.content
    assert answer.json() == api.get(answer["Location"]).json()
    lines = [(line["id"], line["is_gift"], line["stated_value"]) for line in answer.json()["lines"]]
    assert lines == [("A-1", False, "0.00"), ("礼品 2", True, "9.90"), ("", False, "0.00")]
    steps.pay(Order.objects.get())
    steps.approve_and_split()
    (part,) = api.get(answer["Location"]).json()["sub_orders"]
    assert [(line["id"], line["is_gift"]) for line in part["lines"]] == [
        ("A-1", False),
        ("礼品 2", True),
        ("", False),
    ]
    amounts = api.get(f"{answer['Location']}/amounts").json()
    assert [line["id"] for line in amounts["lines"]] == ["A-1", "礼品 2", ""]
    assert steps.broken_invariants() == []


LINE_REFUSALS = {
    "id of two lines": ([{"id": "A"}, {"id": "A"}], ("lines.1.id", "repeated")),
    "long id": ([{"id": "A" * 65}], ("lines.0.id", "too_long")),
    "blank id": ([{"id": " "}], ("lines.0.id", "blank")),
    "gift with a price": ([{}, {**GIFT, "unit_price": "1.00"}], ("lines.1.unit_price", "gift_with_price")),
    "value of what is sold": ([{"stated_value": "1.00"}], ("lines.0.stated_value", "not_a_gift")),
    "negative value": ([{}, {**GIFT, "stated_value": "-1.00"}], ("lines.1.stated_value", "negative_amount")),
    "only gifts": ([GIFT, GIFT], ("lines", "only_gifts")),
}


@pytest.mark.parametrize(("lines", "error"), LINE_REFUSALS.values(), ids=LINE_REFUSALS)
def test_wrong_lines_are_refused(api, shop, lines, error):
    response = send(api, with_lines(shop, *lines))
    assert (response.status_code, errors_of(response)) == (400, {error})


def test_the_database_takes_no_id_twice_and_no_gift_with_a_price(shop):
    order = factories.place(with_lines(shop, {"id": "A"}, {"id": "B"}), shop.merchant)
    for change_ in ({"external_id": "A"}, {"is_gift": True}, {"stated_value": 1}):
        with pytest.raises(IntegrityError), transaction.atomic():
            OrderLine.objects.filter(order=order, position=2).update(**change_)


def test_units_are_cancelled_by_the_callers_line_id(api, shop):
    number = send(api, with_lines(shop, {"id": "A-1"}, {"id": "B-2"})).json()["number"]
    order = Order.objects.get()
    steps.pay(order)
    steps.approve_and_split()
    url = f"/api/v1/orders/{number}/cancel"
    version = steps.fresh(order).version

    unknown = change(api, "post", url, {"reason": "x", "lines": [{"id": "C", "quantity": 1}]}, version=version)
    both = {"reason": "x", "lines": [{"id": "A-1", "position": 1, "quantity": 1}]}
    refused = change(api, "post", url, both, version=version)
    twice = {"reason": "x", "lines": [{"id": "A-1", "quantity": 1}, {"position": 1, "quantity": 1}]}
    repeated = change(api, "post", url, twice, version=version)
    done = change(api, "post", url, {"reason": "x", "lines": [{"id": "B-2", "quantity": 1}]}, version=version)

    assert errors_of(unknown) == {("lines.0.id", "unknown_line")}
    assert refused.status_code == 400
    assert errors_of(repeated) == {("lines", "repeated")}
    assert done.status_code == 200, done.content
    parts = {part["state"]: part["lines"] for part in done.json()["sub_orders"]}
    assert [(line["id"], line["quantity"]) for line in parts["cancelled"]] == [("B-2", 1)]


# --- Marks and metadata


def test_memo_and_flag_are_changed_by_the_merchant_with_an_event(api, shop):
    number = send(api, shop.body()).json()["number"]
    url = f"/api/v1/orders/{number}/marks"

    marked = change(api, "patch", url, {"seller_memo": "先放着", "flag": 1})
    stale = change(api, "patch", url, {"flag": 2})
    same = change(api, "patch", url, {"flag": 1}, version=2)
    cleared = change(api, "patch", url, {"seller_memo": ""}, version=2)
    wrong = change(api, "patch", url, {"flag": 7}, version=3)

    assert marked.status_code == 200, marked.content
    assert (marked.json()["seller_memo"], marked.json()["flag"], marked.json()["version"]) == ("先放着", 1, 2)
    assert (stale.status_code, same.json()["version"]) == (409, 2)
    assert (cleared.json()["seller_memo"], cleared.json()["flag"], cleared.json()["version"]) == ("", 1, 3)
    assert (wrong.status_code, {attr for attr, _code in errors_of(wrong)}) == (400, {"flag"})
    told = [event for event in cleared.json()["timeline"] if event["kind"] == "marked"]
    assert [event["data"] for event in told] == [{"flag": "red"}, {"flag": "red"}]
    changes = [event["changes"] for event in api.get(f"/api/v1/orders/{number}/timeline").json()]
    assert {"seller_memo": ["", "先放着"]} in changes


def test_metadata_is_merged_key_by_key_and_the_timeline_names_the_keys(api, shop):
    number = send(api, shop.body(metadata={"campaign": "spring", "coupon": "C1", "stays": "x"})).json()["number"]
    url = f"/api/v1/orders/{number}/marks"
    wanted = {"campaign": "summer", "coupon": None, "new": "", "never": None}

    changed = change(api, "patch", url, {"metadata": wanted})
    stale = change(api, "patch", url, {"metadata": {"campaign": "late"}})
    same = change(api, "patch", url, {"metadata": {"campaign": "summer", "gone": None}}, version=2)
    untouched = change(api, "patch", url, {"flag": 1}, version=2)

    assert changed.status_code == 200, changed.content
    assert changed.json()["metadata"] == {"campaign": "summer", "stays": "x", "new": ""}
    assert (stale.status_code, same.json()["version"]) == (409, 2)
    assert untouched.json()["metadata"] == changed.json()["metadata"]
    (told,) = [event for event in untouched.json()["timeline"] if event["kind"] == "metadata_changed"]
    assert told["data"] == {"keys": ["campaign", "coupon", "new"]}
    (changes,) = [
        event["changes"]
        for event in api.get(f"/api/v1/orders/{number}/timeline").json()
        if event["kind"] == "metadata_changed"
    ]
    assert changes == {
        "metadata.campaign": ["spring", "summer"],
        "metadata.coupon": ["C1", ""],
        "metadata.new": ["", ""],
    }
    found = api.get("/api/v1/orders", {"metadata.campaign": "summer"}).json()["results"]
    assert [row["number"] for row in found] == [number]
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(
    ("metadata", "attr", "code"),
    [
        ({"a b": "1"}, "metadata", "invalid_key"),
        ({"a": "x" * 501}, "metadata.a", "too_long"),
        ({"a": 5}, "metadata.a", "invalid"),
        ({"a": "x\0"}, "metadata.a", "null_characters_not_allowed"),
        ({f"k{i}": "1" for i in range(50)}, "metadata", "too_many_keys"),
        ({f"k{i}": "x" * 400 for i in range(40)}, "metadata", "too_large"),
        ("spring", "metadata", "not_a_dict"),
    ],
)
def test_changed_metadata_is_bounded_as_a_whole_like_that_of_a_new_order(api, shop, metadata, attr, code):
    number = send(api, shop.body(metadata={"stays": "x"})).json()["number"]

    refused = change(api, "patch", f"/api/v1/orders/{number}/marks", {"metadata": metadata, "flag": 1})

    assert (refused.status_code, errors_of(refused)) == (400, {(attr, code)})
    order = api.get(f"/api/v1/orders/{number}").json()
    assert (order["metadata"], order["flag"], order["version"]) == ({"stays": "x"}, 0, 1)


def test_orders_are_found_by_a_key_of_their_metadata(api, shop):
    one = send(api, shop.body(metadata={"campaign": "spring", "a.b": "1"})).json()["number"]
    send(api, shop.body(metadata={"campaign": "summer"}))
    send(api, shop.body())
    other = factories.make_shop()
    factories.place(other.body(metadata={"campaign": "spring"}), other.merchant)

    def found(query):
        response = api.get(f"/api/v1/orders?{query}")
        assert response.status_code == 200, response.content
        return [order["number"] for order in response.json()["results"]]

    assert found("metadata.campaign=spring") == [one]
    assert found("metadata.campaign=spring&metadata.a.b=1") == [one]
    assert found("metadata.campaign=spring&metadata.a.b=2") == []
    assert found("metadata.campaign=spring%00") == []
    assert api.get("/api/v1/orders?metadata.=x").status_code == 400
    assert api.get("/api/v1/orders?metadata.a%20b=x").status_code == 400


def test_a_key_is_looked_up_in_the_index(shop):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("""EXPLAIN SELECT order_id FROM orders_orderterms WHERE metadata @> '{"campaign": "spring"}'""")
        assert "order_terms_by_metadata" in str(cursor.fetchall())


# --- Cash on delivery


@pytest.mark.parametrize(
    ("accepts", "with_us", "is_taken"),
    [(True, False, True), (False, True, False), (None, False, False), (None, True, True)],
)
def test_goods_of_the_marketplace_are_sold_for_cash_where_their_merchants_terms_allow_it(
    api, shop, accepts, with_us, is_taken
):
    seller = factories.MerchantFactory(accepts_cod=accepts)
    theirs = factories.SkuFactory(merchant=seller)
    warehouse = shop.warehouse if with_us else factories.WarehouseFactory(merchant=seller, region=shop.region)
    factories.StockFactory(sku=theirs, warehouse=warehouse)

    response = send(api, shop.body((shop.sku, 1, "10.00"), (theirs, 1, "10.00"), payment_method="cod"))

    assert response.status_code == (201 if is_taken else 400), response.content
    if not is_taken:
        assert errors_of(response) == {("lines.1.merchant", "cod_not_accepted")}
    prepaid = send(api, shop.body((shop.sku, 1, "10.00"), (theirs, 1, "10.00")))
    assert prepaid.status_code == 201


def test_a_warehouse_of_ours_that_is_closed_makes_no_cash_possible(api, shop):
    theirs = factories.SkuFactory(merchant=factories.MerchantFactory(accepts_cod=None))
    closed = factories.WarehouseFactory(merchant=shop.merchant, region=shop.region, is_active=False)
    factories.StockFactory(sku=theirs, warehouse=closed)

    response = send(api, shop.body((theirs, 1, "10.00"), payment_method="cod"))

    assert errors_of(response) == {("lines.0.merchant", "cod_not_accepted")}


def test_the_self_operated_merchant_may_refuse_cash_too(api, shop):
    shop.merchant.accepts_cod = None
    shop.merchant.save()
    assert send(api, shop.body(payment_method="cod")).status_code == 201
    shop.merchant.accepts_cod = False
    shop.merchant.save()
    assert errors_of(send(api, shop.body(payment_method="cod"))) == {("lines.0.merchant", "cod_not_accepted")}


# --- Other doors


def test_orders_of_the_past_keep_their_terms_and_may_have_wished_for_a_carrier_that_is_gone(shop):
    body = {
        **with_lines(shop, {**GIFT, "id": "G"}),
        "state": "completed",
        "finished_at": "2026-01-05T09:00:00+08:00",
        "payment_method": "cod",
        "carrier": "GONE",
        "delivery_until": "2026-01-04T09:00:00+08:00",
        "metadata": {"old": "1"},
    }
    api = factories.client_of(shop.merchant, scopes=["orders.import", "orders.read"])

    answer = send(api, {"orders": [body]}, f"{BULK}?mode=historical").json()

    assert [row["status"] for row in answer["results"]] == ["created"], answer
    shown = api.get(f"/api/v1/orders/{answer['results'][0]['number']}").json()
    assert (shown["carrier"], shown["metadata"], shown["lines"][0]["id"]) == ("GONE", {"old": "1"}, "G")
    assert steps.broken_invariants() == []


def test_files_of_orders_bring_them_too(shop, tmp_path):
    path = tmp_path / "orders.jsonl"
    bodies = [shop.body(metadata={"row": str(i)}, flag=i) for i in range(3)]
    path.write_text("\n".join(json.dumps({**body, "source": shop.merchant.code}) for body in bodies))
    call_command("import_orders", path, merchant=shop.merchant.code)
    terms = OrderTerms.objects.order_by("order_id").values_list("flag", "metadata")
    assert list(terms) == [(i, {"row": str(i)}) for i in range(3)]
