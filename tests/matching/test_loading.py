"""Channels and matches from CSV files, and those of the sample."""

import csv
import gzip
import json
from pathlib import Path

import pytest
from django.core.management import call_command

from inventory.loading import Loaded
from oms.merchants.models import Channel
from orders.intake import bodies
from orders.matching import loading
from orders.models import MatchWait, Order, SkuMatch
from tests import factories, steps

pytestmark = pytest.mark.usefixtures("in_english")
SAMPLE = Path(__file__).resolve().parents[2] / "sample"


@pytest.fixture
def folder(tmp_path: Path, shop: factories.Shop) -> Path:
    """Two files as the sample has them, of the shop's merchant; some rows are wrong."""
    merchant = shop.merchant.code
    (tmp_path / "channels.csv").write_text(
        f"merchant,code,name,matches_skus\n{merchant},mall,Mall,true\nNOBODY,mall,Mall,true\n", encoding="utf-8"
    )
    rows = [
        f"{merchant},mall,ONE,{shop.sku.code},1,",
        f"{merchant},mall,SET,{shop.sku.code},2,10.00",
        f"{merchant},mall,SET,{shop.other_sku.code},1,5.00",
        f"{merchant},mall,BAD,NOTHING,1,",
        f"{merchant},mall,ODD,{shop.sku.code},some,",
    ]
    (tmp_path / "matches.csv").write_text("merchant,channel,code,sku,units,weight\n" + "\n".join(rows), "utf-8")
    return tmp_path


def test_channels_and_matches_are_loaded_twice_with_the_same_result(folder: Path, shop: factories.Shop) -> None:
    for _ in range(2):
        channels, matches = loading.load_folder(folder)

    assert channels == Loaded("channels.csv", 1, ["channels.csv, line 3: there is no merchant NOBODY"])
    assert (matches.rows, matches.problems) == (
        4,
        [
            "matches.csv, line 6: units or weight is no number",
            f"matches.csv, line 5: Merchant {shop.merchant.code} sells no SKU NOTHING.",
        ],
    )
    assert Channel.objects.get(code="mall").matches_skus
    found = SkuMatch.objects.filter(matched_at__isnull=False).order_by("code")
    assert [(match.code, match.components.count()) for match in found] == [("ONE", 1), ("SET", 2)]
    assert steps.broken_invariants() == []


def test_a_bundle_of_which_a_row_is_wrong_and_a_merchant_that_is_unknown_are_refused_whole(
    folder: Path, shop: factories.Shop
) -> None:
    merchant = shop.merchant.code
    rows = [
        f"{merchant},mall,PAIR,{shop.sku.code},2,10.00",
        f"{merchant},mall,PAIR,{shop.other_sku.code},some,5.00",
        f"NOBODY,mall,ONE,{shop.sku.code},1,",
    ]
    (folder / "matches.csv").write_text("merchant,channel,code,sku,units,weight\n" + "\n".join(rows), "utf-8")

    _channels, matches = loading.load_folder(folder)

    assert (matches.rows, matches.problems) == (
        0,
        ["matches.csv, line 3: units or weight is no number", "matches.csv, line 4: there is no merchant NOBODY"],
    )
    assert not SkuMatch.objects.filter(matched_at__isnull=False).exists()


def test_orders_of_a_code_that_is_not_matched_wait_in_the_queue(
    folder: Path, shop: factories.Shop, tmp_path: Path
) -> None:
    loading.load_folder(folder)
    file = tmp_path / "orders.jsonl"
    lines = []
    for number, code in enumerate(("ONE", "SET", "NEW")):
        body = factories.order_body(shop.sku, external_number=f"M-{number}", source="mall")
        body["lines"][0]["sku"] = code
        lines.append(json.dumps(body, default=str))
    file.write_text("\n".join(lines), encoding="utf-8")

    call_command("import_orders", str(file), merchant=shop.merchant.code, verbosity=0)

    assert Order.objects.count() == 3
    assert list(MatchWait.objects.values_list("match__code", "order__external_number")) == [("NEW", "M-2")]


def test_the_sample_has_codes_that_are_matched_and_one_that_is_not() -> None:
    with gzip.open(SAMPLE / "catalogue.csv.gz", "rt", encoding="utf-8-sig", newline="") as file:
        skus = {row["sku"] for row in csv.DictReader(file)}
    with (SAMPLE / "matches.csv").open(encoding="utf-8") as file:
        matches = list(csv.DictReader(file))
    orders = [bodies.decode(line) for line in (SAMPLE / "orders-mall.jsonl").read_bytes().splitlines()]

    assert all(isinstance(order, bodies.OrderBody) for order in orders)
    codes = {line.sku for order in orders if isinstance(order, bodies.OrderBody) for line in order.lines}
    assert {row["sku"] for row in matches} <= skus
    assert codes - {row["code"] for row in matches} == {"MALL-2041"}
    assert codes >= {row["code"] for row in matches}
