"""The guides for merchants: as pages in both languages, and true: whoever does what they say gets a parcel out."""

import json
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from logistics.carriers.defaults import install_default_carriers
from logistics.warehouses import releasing, sending
from oms import guides
from oms.api import GUIDES
from orders.fulfilling import allocating, splitting
from orders.models import SubOrder
from orders.reviewing import deciding
from payments.taking import recording
from tests import factories
from tests.portal import world

_CALL = re.compile(r"```http\n(GET|POST) (\S+)\n(?:\n(.*?))?```", re.DOTALL)


def calls(name: str, language: str) -> list[tuple[str, str, str]]:
    """The calls that the guide has its reader make: method, address, body."""
    return _CALL.findall((guides.FOLDER / language / f"{name}.md").read_text())


@pytest.mark.parametrize("name", guides.NAMES)
def test_a_guide_says_the_same_in_both_languages(name: str) -> None:
    texts = {language: (guides.FOLDER / language / f"{name}.md").read_text() for language in guides.LANGUAGES}
    shapes = {re.sub(r"[^#\n`|-]", "", text).count("#") for text in texts.values()}
    assert len(shapes) == 1
    assert len({tuple(call[:2] for call in calls(name, language)) for language in guides.LANGUAGES}) == 1
    assert len({text.count("\n| ") for text in texts.values()}) == 1
    for text in texts.values():
        assert "manage.py" not in text
        assert "make run" not in text
    assert re.search("[一-鿿]", guides.guide(name, "zh-hans").title)


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("name", guides.NAMES)
def test_guides_are_pages_in_the_readers_language(name: str, language: str) -> None:
    client = Client(headers={"accept-language": language})
    page = client.get(f"/guides/{name}/")
    shown = page.content.decode()
    assert page.status_code == 200
    assert guides.guide(name, language).title in shown
    assert "<h2>" in shown
    assert "```" not in shown
    assert f"/guides/{name}/" in client.get("/guides/").content.decode()
    assert client.post(f"/guides/{name}/").status_code == 405
    # Every address of this site that it leads to is there.
    for address in set(re.findall(r'href="(/[^"#]*)"', shown)):
        if not address.startswith("/static/"):
            assert client.get(address).status_code in (200, 302), address


def test_there_is_no_other_guide() -> None:
    assert Client().get("/guides/settings/").status_code == 404
    assert Client().get("/guides/../settings/").status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize("language", guides.LANGUAGES)
def test_who_does_what_the_guides_say_gets_the_first_parcel_out(language: str, settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path
    install_default_carriers()
    factories.RegionFactory()
    merchant, client = world.joined("NEWCOMER")
    known = {"code": merchant.code, "yesterday": f"{timezone.now() - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"}
    answers: dict[str, Any] = {}
    for method, address, body in calls("start", language) + calls("webhooks", language):
        filled = re.sub(r"\{(code|sub_order|order|yesterday)\}", lambda match: known[match[1]], address)
        if "which=to_ship" in address:
            factories.run(
                recording.book_collected, deciding.run, splitting.run, allocating.run, releasing.run, sending.run
            )
        if method == "POST":
            sent = re.sub(r"\{(code|sub_order)\}", lambda match: known[match[1]], body)
            answer = client.post(filled, json.loads(sent), format="json", HTTP_IDEMPOTENCY_KEY=str(uuid4()))
        else:
            answer = client.get(filled)
        assert answer.status_code in (200, 201), (address, answer.content.decode())
        answers[address.partition("?")[0]] = answer.json()
        if address == "/api/v1/orders":
            known["order"] = answer.json()["number"]
        if "which=to_ship" in address:
            (work,) = answer.json()["results"]
            known["sub_order"] = work["sub_order"]
    assert answers["/api/v1/me"]["merchant"] == "NEWCOMER"
    assert [row["status"] for row in answers["/api/v1/inventory"]["results"]] == ["changed"]
    assert answers["/api/v1/sub-orders/{sub_order}"]["recipient"]["name"] == "张华"
    assert [row["status"] for row in answers["/api/v1/shipping-reports"]["results"]] == ["shipped"]
    assert answers["/api/v1/orders/{order}"]["fulfilment_state"] == "shipped"
    assert SubOrder.objects.get().state == "shipped"


@pytest.mark.parametrize("name", [name for name in GUIDES if name.endswith(".md")])
def test_what_merchants_read_of_the_api_names_no_command_of_the_server(name: str) -> None:
    text = (settings.BASE_DIR / "docs" / name).read_text()

    assert "manage.py" not in text
    assert "make run" not in text
