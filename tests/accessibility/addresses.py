"""The addresses of all pages of a site of the admin that open with what the database holds."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.base_user import AbstractBaseUser
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver

_ARGUMENT = re.compile(r"<[^>]+>")
_ROW = re.compile(r"<(?:path:object_id|int:\w+|path:\w+)>")


def _routes(patterns: list[Any], prefix: str) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            yield prefix + str(pattern.pattern)
        elif isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, prefix + str(pattern.pattern))


def of_models(site: AdminSite, base: str, user: AbstractBaseUser) -> Iterator[str]:
    """Every address of every model's pages: the row, where one is named, is the first that the user sees."""
    request = RequestFactory().get(base)
    request.user = user  # type: ignore[attr-defined]
    for model, pages in sorted(site._registry.items(), key=lambda pair: pair[0]._meta.label):
        row = pages.get_queryset(request).order_by("pk").first()
        prefix = f"{base}{model._meta.app_label}/{model._meta.model_name}/"
        for route in _routes(pages.get_urls(), prefix):
            address = route if row is None else _ROW.sub(str(row.pk), route, count=1)
            if not _ARGUMENT.search(address):
                yield address


def of_site(site: AdminSite, base: str) -> Iterator[str]:
    """The addresses of the site itself, without those of its models."""
    models = tuple(f"{base}{m._meta.app_label}/{m._meta.model_name}/" for m in site._registry)
    for route in _routes(site.get_urls(), base):
        if not _ARGUMENT.search(route) and not route.startswith(models) and "\\" not in route:
            yield route


def that_open(client: Client, addresses: Iterable[str]) -> list[str]:
    """Those that answer a page to somebody who only looks, each once."""
    opened = []
    for address in dict.fromkeys(addresses):
        answer = client.get(address)
        is_page = answer.status_code == 200 and answer.get("Content-Type", "").startswith("text/html")
        if is_page and "Content-Disposition" not in answer and not answer.streaming and b"<html" in answer.content:
            opened.append(address)
    return opened
