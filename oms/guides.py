"""The guides for merchants as pages: the Markdown files of `docs/guides/`, in the reader's language."""

import re
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.views.decorators.http import require_safe
from markdown_it import MarkdownIt

FOLDER = settings.BASE_DIR / "docs" / "guides"
LANGUAGES = ("en", "zh-hans")
# In the order in which they are read.
NAMES = ("start", "pages", "webhooks", "changes")


@dataclass(frozen=True, slots=True)
class Guide:
    """A guide in one language: its name in addresses, its heading, and the page's body."""

    name: str
    title: str
    body: SafeString


@lru_cache(maxsize=len(LANGUAGES) * len(NAMES))
def guide(name: str, language: str) -> Guide:
    """The guide, read and rendered once a process."""
    text = (FOLDER / language / f"{name}.md").read_text()
    title = text.partition("\n")[0].removeprefix("# ")
    # Plain HTML in a guide is shown as text; a table that is too wide for a phone is scrolled by itself.
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    html = re.sub(r"<table>", '<div class="scroll" tabindex="0"><table>', html).replace("</table>", "</table></div>")
    html = html.replace("<pre>", '<pre tabindex="0">')
    return Guide(name, title, mark_safe(html))  # noqa: S308 - our own files


def _language() -> str:
    language = get_language() or ""
    return "zh-hans" if language.startswith("zh") else "en"


@require_safe
def guides_view(request: HttpRequest) -> HttpResponse:
    """What guides there are."""
    shown = [guide(name, _language()) for name in NAMES]
    return render(request, "guides/index.html", {"guides": shown})


@require_safe
def guide_view(request: HttpRequest, name: str) -> HttpResponse:
    """One guide. Raises Http404."""
    if name not in NAMES:
        raise Http404
    shown = [guide(one, _language()) for one in NAMES]
    return render(request, "guides/guide.html", {"guide": guide(name, _language()), "guides": shown})


urlpatterns = [
    path("", guides_view, name="guides"),
    path("<slug:name>/", guide_view, name="guide"),
]
