"""Reasons of dates are said in words, never by their codes."""

import re

from django.conf import settings

from inventory.promising.words import SENTENCES

_CODE = re.compile(r'Reason\("(\w+)"')


def test_every_reason_has_a_sentence() -> None:
    folder = settings.BASE_DIR / "inventory" / "promising"
    codes = {code for path in folder.glob("*.py") for code in _CODE.findall(path.read_text())}
    assert len(codes) > 10
    assert codes - SENTENCES.keys() == set()
