"""What the first start loads."""

import gzip
import json
import shutil
from datetime import timedelta

from django.utils import timezone

from oms.common.models import StagedTrouble
from oms.embedded.management.commands import up
from oms.plot.registry import TROUBLES
from oms.plot.world import GOODS
from orders.models import Order
from tests.plot.test_shop import basket


def test_the_first_start_stages_the_plot_and_its_orders_come_just_now(db, small_sample, tmp_path, monkeypatch):
    folder, data = tmp_path / "sample", tmp_path / "data"
    shutil.copytree(small_sample, folder)
    data.mkdir()
    for name, opener, number in (("orders.jsonl.gz", gzip.open, "1"), ("orders-mall.jsonl", open, "2")):
        with opener(folder / name, "wt", encoding="utf-8") as file:
            file.write(json.dumps(basket(GOODS[0], 1, external_number=number)))
    monkeypatch.setattr(up, "CHECKOUT", tmp_path)

    up.load_sample(data)
    assert StagedTrouble.objects.count() == len(TROUBLES)
    for order in Order.objects.filter(external_number__in=["1", "2"]):
        assert timezone.now() - order.ordered_at < timedelta(days=1)
    assert Order.objects.filter(external_number__in=["1", "2"]).count() == 2
    has_plot, told = up.to_try()
    assert has_plot
    assert len(told) == up.SHOWN_TROUBLES

    before = Order.objects.count()
    up.load_sample(data)
    assert Order.objects.count() == before
