"""The terms of merchants come with their file."""

import pytest

from inventory import loading
from oms.merchants.models import Merchant

pytestmark = pytest.mark.django_db


def test_the_terms_of_merchants_are_loaded_from_their_file(tmp_path):
    head = "code,name,kind,settlement_days,commission_rate"
    rows = ["A1,甲,marketplace,7,0.05,true", "A2,乙,marketplace,7,0.05,false", "A3,丙,marketplace,7,0.05,"]
    path = tmp_path / "merchants.csv"

    def load(*lines):
        path.write_text("\n".join(lines))
        loaded = loading._load_merchants(path, lambda rows, _title: rows)
        return dict(Merchant.objects.values_list("code", "accepts_cod")), loaded.problems

    terms, problems = load(f"{head},accepts_cod", *rows, "A4,丁,marketplace,7,0.05,perhaps")
    assert terms == {"A1": True, "A2": False, "A3": None}
    assert problems == ["merchants.csv, line 5: accepts_cod must be true or false, not perhaps"]
    # A file without the column says nothing of it.
    assert load(head, "A1,甲,marketplace,7,0.05")[0] == terms
