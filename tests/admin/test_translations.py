"""The Chinese catalogue is complete."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from oms.management.commands import check_translations
from oms.management.commands.check_translations import Message, texts


def test_every_text_is_translated() -> None:
    call_command("check_translations", verbosity=0)


def test_a_missing_text_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(
        check_translations, "texts", lambda folder: {Message(None, "Brand new words", None): "oms/x.py:1"}
    )
    with pytest.raises(CommandError, match="1 of 1 texts"):
        call_command("check_translations")
    assert "oms/x.py:1: not in the catalogue: 'Brand new words'" in capsys.readouterr().err


def test_half_width_punctuation_in_chinese_is_named() -> None:
    one = Message(None, "Step %(n)d: the file (CSV)", None)
    for chinese in ("第 %(n)d 步:文件", "第 %(n)d 步，文件(CSV)", "%(n)d,步骤"):
        problem = check_translations._problem(one, SimpleNamespace(string=chinese, fuzzy=False))
        assert problem is not None
        assert "half-width" in problem
    assert check_translations._problem(one, SimpleNamespace(string="第 %(n)d 步：文件（CSV）", fuzzy=False)) is None


def test_texts_of_code_and_templates_are_found(tmp_path: Path) -> None:
    (tmp_path / "orders").mkdir()
    (tmp_path / "templates").mkdir()
    (tmp_path / "orders" / "x.py").write_text(
        '_("one " "text")\nngettext("%(n)s a", "%(n)s b", 2)\npgettext("c", "d")\n'
    )
    (tmp_path / "templates" / "x.html").write_text(
        "{% load i18n %}\n   {% translate 'it''s' %}\n"
        "{% blocktranslate trimmed count n=3 %}\n  one {{ n }}\n{% plural %}\n  many {{ n }}\n{% endblocktranslate %}"
        '<p title="{% translate \'two\' %}">{% translate "three" as x %}</p>'
    )
    assert {(message.context, message.singular, message.plural) for message in texts(tmp_path)} >= {
        (None, "one text", None),
        (None, "%(n)s a", "%(n)s b"),
        ("c", "d", None),
        (None, "one %(n)s", "many %(n)s"),
        (None, "two", None),
        (None, "three", None),
    }
