"""`manage.py check_translations`."""

import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import to_locale
from django.utils.translation.template import templatize

LANGUAGE = "zh-hans"
APPS = ("oms", "inventory", "orders", "payments", "logistics")
_KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
# Chinese text has punctuation of its own width.
_HALF_WIDTH = re.compile(r"[\u4e00-\u9fff][,;:!?(]|[,;:!?)][\u4e00-\u9fff]")
# Where values are filled in, a percent sign of the text itself is doubled.
_BARE_PERCENT = re.compile(r"%(?!\()")
_PLACEHOLDER = re.compile(r"%\((\w+)\)|\{(\w*)\}")


@dataclass(frozen=True, slots=True)
class Message:
    """A text of the code or of a template that can be translated."""

    context: str | None
    singular: str
    plural: str | None


class Command(BaseCommand):
    """Says which texts of code and templates have no Chinese translation. Needs no GNU gettext."""

    help = "Check that every text of the code and the templates has a complete zh-Hans translation."

    def handle(self, *, verbosity: int, **_: object) -> None:
        try:
            from babel.messages.pofile import read_po
        except ImportError as error:
            raise CommandError("This check needs the package babel; `make install` brings it.") from error
        path = settings.LOCALE_PATHS[0] / to_locale(LANGUAGE) / "LC_MESSAGES" / "django.po"
        with path.open("rb") as file:
            catalogue = read_po(file, locale="zh_Hans")
        used = texts(settings.BASE_DIR)
        problems = []
        for message, where in sorted(used.items(), key=lambda item: item[1]):
            entry = catalogue.get(message.singular, message.context)
            problem = _problem(message, entry)
            if problem:
                problems.append(f"{where}: {problem}: {message.singular!r}")
        for problem in problems:
            self.stderr.write(problem)
        if verbosity > 1:
            known = {message.singular for message in used}
            for entry in catalogue:
                name = entry.id[0] if isinstance(entry.id, tuple) else entry.id
                if name and name not in known:
                    self.stdout.write(f"no longer used: {name!r}")
        if problems:
            raise CommandError(f"{len(problems)} of {len(used)} texts are not translated; add them to {path}")
        self.stdout.write(f"{len(used)} texts, all translated")


def texts(folder: Path) -> dict[Message, str]:
    """Every text that can be translated, with the place where it was found first."""
    found: dict[Message, str] = {}
    sources = [source for app in APPS for source in sorted((folder / app).rglob("*.py"))]
    for source in sources:
        if "migrations" not in source.parts:
            _add(found, source.relative_to(folder), source.read_bytes())
    for template in sorted((folder / "templates").rglob("*.html")):
        place = template.relative_to(folder)
        # What comes of a template is Python only piece by piece: each line is read by itself.
        for line in templatize(template.read_text("utf-8"), origin=str(place)).splitlines():
            if "(" in line:
                _add(found, place, line.strip().encode())
    return found


def _add(found: dict[Message, str], place: Path, source: bytes) -> None:
    for message, line in _extract(source):
        found.setdefault(message, f"{place}:{line}" if place.suffix == ".py" else str(place))


def _extract(source: bytes) -> Iterator[tuple[Message, int]]:
    from babel.messages.extract import extract

    try:
        for line, text, _comments, context in extract("python", io.BytesIO(source), keywords=_KEYWORDS):
            singular, plural = (text[0], text[1]) if isinstance(text, tuple) else (text, None)
            if singular:
                yield Message(context, singular, plural), line
    except (tokenize.TokenError, SyntaxError):
        # The filler between a template's texts; what came before it on the line was taken.
        return


def _problem(message: Message, entry: object) -> str | None:
    """What is wrong with the translation of the text, or None. `entry` is babel's message or None."""
    if entry is None:
        return "not in the catalogue"
    translations = [entry.string] if isinstance(entry.string, str) else list(entry.string)  # type: ignore[attr-defined]
    if entry.fuzzy:  # type: ignore[attr-defined]
        return "fuzzy"
    if not translations or not all(translations):
        return "not translated"
    if message.plural and not isinstance(entry.id, tuple):  # type: ignore[attr-defined]
        return "a text with a plural, without msgid_plural"
    wanted = _placeholders(message.plural or message.singular)
    for translation in translations:
        given = _placeholders(translation)
        # The plural may name the count; a translation need not repeat a placeholder, nor may it invent one.
        if given - wanted - _placeholders(message.singular) or (wanted - given and not message.plural):
            return f"placeholders differ ({', '.join(sorted(wanted ^ given))})"
        if "%(" in message.singular and _BARE_PERCENT.search(translation.replace("%%", "")):
            return "a percent sign that is not doubled"
        if found := _HALF_WIDTH.search(translation):
            return f"half-width punctuation at {found[0]!r}"
    return None


def _placeholders(text: str) -> set[str]:
    return {first or second for first, second in _PLACEHOLDER.findall(text)}
