"""`manage.py prepare` does what is needed, and only that."""

import gettext
import os

import polib
from django.contrib.staticfiles.finders import FileSystemFinder

from oms.embedded.management.commands import prepare


def test_translations_are_compiled_when_their_source_is_newer(settings, tmp_path):
    settings.LOCALE_PATHS = [tmp_path]
    source = tmp_path / "zh_Hans" / "LC_MESSAGES" / "django.po"
    source.parent.mkdir(parents=True)
    catalogue = polib.POFile()
    catalogue.metadata = {"Content-Type": "text/plain; charset=UTF-8"}
    catalogue.append(polib.POEntry(msgid="Order", msgstr="订单"))
    catalogue.append(polib.POEntry(msgid="Parcel", msgstr="guess", flags=["fuzzy"]))
    catalogue.save(str(source))

    prepare.compile_translations()
    compiled = source.with_suffix(".mo")
    with compiled.open("rb") as file:
        translations = gettext.GNUTranslations(file)
    assert (translations.gettext("Order"), translations.gettext("Parcel")) == ("订单", "Parcel")

    os.utime(compiled, (2_000_000_000, 2_000_000_000))
    compiled.write_bytes(b"not touched")
    os.utime(compiled, (2_000_000_000, 2_000_000_000))
    prepare.compile_translations()
    assert compiled.read_bytes() == b"not touched"


def test_static_files_are_collected_once_until_one_changes(settings, tmp_path, monkeypatch):
    source = tmp_path / "source"
    source.mkdir()
    (source / "page.css").write_text("a {}")
    settings.DEBUG = False
    settings.DATA_DIR = tmp_path
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STATICFILES_DIRS = [source]
    calls = []
    monkeypatch.setattr(prepare, "call_command", lambda *arguments, **options: calls.append(arguments[0]))
    monkeypatch.setattr(prepare, "get_finders", lambda: [FileSystemFinder()])
    settings.STATIC_ROOT.mkdir()

    prepare.collect_static_files()
    prepare.collect_static_files()
    assert calls == ["collectstatic"]

    (source / "page.css").write_text("a { color: red }")
    prepare.collect_static_files()
    assert calls == ["collectstatic"] * 2
