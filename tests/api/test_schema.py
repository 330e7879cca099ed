"""The schema is public: many may ask for it at once, again and again."""

import gzip
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from oms import api_schema

URL = "/api/schema/"


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """As many as there were schemas built, from the start of a process on."""
    built: list[int] = []
    real: Callable[..., Any] = SchemaGenerator.get_schema

    def counted(*args: Any, **kwargs: Any) -> Any:
        built.append(1)
        return real(*args, **kwargs)

    monkeypatch.setattr(SchemaGenerator, "get_schema", counted)
    monkeypatch.setattr(api_schema, "_documents", {})
    return built


def test_the_first_parallel_calls_build_it_once_and_all_get_it(builds):
    answers = []
    start = threading.Barrier(8)

    def call() -> None:
        start.wait()
        answers.append(Client(raise_request_exception=False).get(URL, headers={"accept": "application/json"}))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * 8
    assert len({answer.content for answer in answers}) == 1
    assert len(builds) == 1


def test_callers_can_make_it_be_built_once_a_language_and_format_at_most(builds):
    for language in ("en", "en-GB", "zh-hans", "zh", "fr", "xx", "en;q=0.1"):
        for kind in ("application/json", "application/yaml", "*/*", "application/vnd.oai.openapi+json"):
            for query in ("", "?lang=en", "?lang=zh-hans", "?lang=nonsense", "?version=7"):
                answer = Client().get(URL + query, headers={"accept": kind, "accept-language": language})
                assert answer.status_code == 200
    assert len(builds) == 4


def test_it_is_worded_in_the_language_asked_for(builds):
    def states(query: str, language: str) -> str:
        answer = Client().get(URL + query, headers={"accept": "application/json", "accept-language": language})
        return json.loads(answer.content)["components"]["schemas"]["OrderState"]["description"]

    assert "Awaiting payment" in states("", "en")
    assert "待付款" in states("", "zh-hans")
    assert "Awaiting payment" in states("?lang=en", "zh-hans")


def test_who_has_it_is_told_so(builds):
    first = Client().get(URL)
    again = Client().get(URL, headers={"if-none-match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert Client().get(URL, headers={"if-none-match": '"another"'}).status_code == 200
    other = Client().get(URL, headers={"accept": "application/json"})
    assert other["ETag"] != first["ETag"]
    assert {"Accept", "Accept-Language", "Accept-Encoding"} <= set(first["Vary"].split(", "))


def test_who_can_unpack_it_gets_an_eighth_of_its_size(builds):
    plain = Client().get(URL)
    packed = Client().get(URL, headers={"accept-encoding": "br, gzip"})
    assert packed["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content
    assert len(packed.content) * 8 < len(plain.content)
    assert packed["ETag"] != plain["ETag"]


def test_what_it_cannot_be_is_406():
    assert Client().get(URL, headers={"accept": "text/html"}).status_code == 406


def test_no_two_things_have_one_name_in_it(capfd):
    """One of them would be described as the other."""
    SchemaGenerator().get_schema(request=None, public=True)

    assert [line for line in capfd.readouterr().err.splitlines() if "identical names" in line] == []
