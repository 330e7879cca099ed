"""Phone numbers: one normal form, however they are written."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms.common import phones

CASES = [
    tuple(line.split("\t"))
    for line in (Path(__file__).parent / "cases" / "phones.tsv").read_text(encoding="utf-8").splitlines()
]
FIELD = [
    ("138 0000 1111", "13800001111"),
    ("+86 138 0000 1111", "13800001111"),
    ("+8613877776666", "13877776666"),
    ("008613877776666", "13877776666"),
    ("(+86)13877776666", "13877776666"),
    ("(021)22233334", "021-22233334"),
    ("0755-86013388转8888", "0755-86013388-8888"),
    ("１３８００００１１１１", "13800001111"),
    ("\u202a13800001111\u202c", "13800001111"),
    ("\u200b138-0000-1111\ufeff", "13800001111"),
    ("13500001111-7804", "13500001111-7804"),
    ("13500001111转7804", "13500001111-7804"),
    ("+852 2345 6789", "+85223456789"),
    ("+853 6612 3456", "+85366123456"),
    ("+886 912 345 678", "+886912345678"),
    ("02112345678", ""),
]


@pytest.mark.parametrize(("written", "form"), [*FIELD, *CASES], ids=[repr(row[0]) for row in [*FIELD, *CASES]])
def test_a_number_has_one_form_however_it_is_written(written, form):
    assert (phones.normal_form(written) or "") == form


@given(text=st.one_of(st.text(max_size=24), st.from_regex(r"\A[+(]?[0-9 ()\-转]{5,22}\Z")))
def test_the_normal_form_of_a_normal_form_is_itself(text):
    form = phones.normal_form(text)
    assert form is None or (phones.normal_form(form) == form and len(form) <= phones.LONGEST)
