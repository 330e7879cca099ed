"""`manage.py import_orders FILE`."""

import gzip
import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from orders.models import Order, OrderLine
from tests import factories

pytestmark = pytest.mark.django_db


def written(path, *rows):
    """The file with the rows, each as it is or as JSON; gzip where the name says so."""
    lines = [row if isinstance(row, bytes) else json.dumps(row, ensure_ascii=False).encode() for row in rows]
    data = b"\n".join(lines) + b"\n"
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def run(path, **options):
    """Import the file; returns (imported, duplicates, refused rows)."""
    out = StringIO()
    call_command("import_orders", path, json=True, verbosity=0, stdout=out, **options)
    result = json.loads(out.getvalue())
    return result["imported"], result["duplicates"], result["refused"]


@pytest.mark.parametrize("name", ["orders.jsonl", "orders.jsonl.gz"])
def test_a_file_is_imported_once_however_often_it_is_run(shop, tmp_path, name):
    path = written(tmp_path / name, *[shop.body() for _ in range(5)])

    assert run(path) == (5, 0, [])
    assert run(path) == (0, 5, [])
    assert Order.objects.count() == OrderLine.objects.count() == 5


def test_a_bad_row_is_named_by_line_and_field_and_the_others_go_in(shop, tmp_path):
    unknown = shop.body()
    unknown["lines"][0]["sku"] = "NO-SUCH"
    without_buyer = shop.body()
    del without_buyer["buyer"]
    rows = [shop.body(), unknown, b"", b"{nonsense", without_buyer, shop.body(payable_amount="1.00"), shop.body()]

    imported, duplicates, refused = run(written(tmp_path / "orders.jsonl", *rows))

    assert (imported, duplicates) == (2, 0)
    assert [(row["line"], [(error["attr"], error["code"]) for error in row["errors"]]) for row in refused] == [
        (2, [("lines.0.sku", "unknown_sku")]),
        (4, [("", "parse_error")]),
        (5, [("buyer", "required")]),
        (6, [("payable_amount", "does_not_add_up")]),
    ]
    assert Order.objects.count() == 2


def test_people_read_what_is_wrong(shop, tmp_path):
    path = written(tmp_path / "orders.jsonl", shop.body(), shop.body((shop.sku, 0, "10.00")))
    out, err = StringIO(), StringIO()
    call_command("import_orders", path, verbosity=0, stdout=out, stderr=err)

    assert out.getvalue() == "1 imported, 0 already there, 1 refused\n"
    assert err.getvalue().startswith("line 2: lines.0.quantity: ")


def test_blank_lines_are_no_rows(shop, tmp_path):
    rows = [b"", shop.body(), b"   ", b"\t", shop.body(), b""]
    assert run(written(tmp_path / "orders.jsonl", *rows)) == (2, 0, [])


@pytest.mark.parametrize("data", [b"", b"\n\n"])
def test_an_empty_file_has_nothing_to_import(shop, tmp_path, data):
    path = tmp_path / "orders.jsonl"
    path.write_bytes(data)
    assert run(path) == (0, 0, [])


def test_the_last_line_needs_no_end(shop, tmp_path):
    path = tmp_path / "orders.jsonl"
    path.write_text(json.dumps(shop.body()) + "\r\n" + json.dumps(shop.body()))
    assert run(path) == (2, 0, [])


def test_a_limit_counts_rows(shop, tmp_path):
    path = written(tmp_path / "orders.jsonl", *[shop.body() for _ in range(5)])
    assert run(path, limit=2) == (2, 0, [])
    assert run(path, limit=4) == (2, 2, [])


def test_more_rows_than_a_batch(shop, tmp_path):
    path = written(tmp_path / "orders.jsonl.gz", *[shop.body() for _ in range(1050)])
    assert run(path) == (1050, 0, [])


def test_a_row_twice_in_a_file_is_imported_once(shop, tmp_path):
    body = shop.body()
    assert run(written(tmp_path / "orders.jsonl", body, body)) == (1, 1, [])


def test_a_byte_order_mark_does_not_cost_the_first_row(shop, tmp_path):
    path = tmp_path / "orders.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(shop.body()).encode() + b"\n")
    assert run(path) == (1, 0, [])


def test_a_truncated_file_is_told_and_its_whole_batches_stay(shop, tmp_path):
    path = written(tmp_path / "orders.jsonl.gz", *[shop.body(remark=f"{i:0200}") for i in range(2500)])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(CommandError, match=r"Cannot read .*orders\.jsonl\.gz.*1000 orders were imported before"):
        run(path)
    assert Order.objects.count() == 1000


@pytest.mark.parametrize(("name", "data"), [("orders.jsonl.gz", b"no gzip"), ("missing.jsonl", None)])
def test_a_file_that_cannot_be_read_is_told(shop, tmp_path, name, data):
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(CommandError, match="Cannot read"):
        run(path)


def test_the_merchant_can_be_named(shop, tmp_path):
    seller = factories.SkuFactory(merchant__code="POP09")
    path = written(tmp_path / "orders.jsonl", factories.order_body((seller, 1, "10.00")))

    assert run(path, merchant="POP09") == (1, 0, [])
    assert Order.objects.get().channel.merchant.code == "POP09"
    with pytest.raises(CommandError, match="no merchant NOBODY"):
        run(path, merchant="NOBODY")


def test_without_a_merchant_the_self_operated_one_must_be_clear(db, tmp_path):
    path = written(tmp_path / "orders.jsonl")
    with pytest.raises(CommandError, match="no self-operated merchant"):
        run(path)
    factories.MerchantFactory.create_batch(2, self_operated=True)
    with pytest.raises(CommandError, match="--merchant"):
        run(path)


def test_the_timeline_says_where_it_came_from(shop, tmp_path):
    run(written(tmp_path / "orders.jsonl", shop.body()))
    event = Order.objects.get().events.get()
    assert (event.kind, event.actor_kind, event.actor) == ("received", "job", "import_orders")


def test_it_fails_where_nothing_went_in(shop, tmp_path):
    bad, good = shop.body(payable_amount="1.00"), shop.body()

    with pytest.raises(CommandError) as failure:
        run(written(tmp_path / "bad.jsonl", bad, b"{nonsense"))

    assert (failure.value.returncode, Order.objects.count()) == (1, 0)
    path = written(tmp_path / "mixed.jsonl", good, bad)
    assert run(path)[:2] == (1, 0)
    # What is there already went in once: a repeated run does not fail for the same rows.
    assert run(path)[:2] == (0, 1)


def test_on_request_it_fails_where_any_row_was_refused_and_the_others_go_in(shop, tmp_path):
    rows = [shop.body(), shop.body(payable_amount="1.00"), shop.body()]

    with pytest.raises(CommandError) as failure:
        run(written(tmp_path / "orders.jsonl", *rows), fail_on_refused=True)

    assert (failure.value.returncode, Order.objects.count()) == (2, 2)
    assert run(written(tmp_path / "good.jsonl", shop.body()), fail_on_refused=True) == (1, 0, [])
