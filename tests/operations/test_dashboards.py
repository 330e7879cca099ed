"""The dashboard and the alert rules name only metrics and labels that /metrics has."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from oms import figures, tasks
from oms.common.work import clock
from oms.embedded import CHECKOUT
from tests import factories, fakes

pytestmark = pytest.mark.django_db
OPS = Path(CHECKOUT) / "ops"


def dashboard_queries() -> list[str]:
    panels = json.loads((OPS / "grafana/oms.json").read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((OPS / "prometheus/rules.yml").read_text())["groups"]
    return group["rules"]


def test_every_metric_that_is_asked_for_is_told(api: Any, shop: factories.Shop) -> None:
    figures.forget()
    order = shop.place_order()
    api.get(f"/api/v1/orders/{order.number}")
    order.holds.create(kind="staff", reason="x", opened_by="x")
    with clock.skipping_waits(), fakes.provider(fakes.FakeProvider(fakes.lose)):
        tasks.sweep()
    text = Client().get("/metrics").content.decode()
    told = {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}
    # Families without a row yet are told by their name only.
    told |= set(re.findall(r"^# TYPE (\w+) gauge$", text, re.MULTILINE))
    told |= {f"{name}_total" for name in re.findall(r"^# TYPE (\w+?)(?:_total)? counter$", text, re.MULTILINE)}
    queries = [*dashboard_queries(), *(rule["expr"] for rule in rules())]

    asked = {name for query in queries for name in re.findall(r"\boms_\w+", query)}
    assert len(asked) > 10
    assert asked - told == set()


def test_labels_that_are_asked_for_are_those_of_the_metrics() -> None:
    known = {"stage", "view", "method", "status", "le", "system", "adapter", "operation", "outcome", "kind", "level"}
    known |= {"table", "team", "job"}
    for query in [*dashboard_queries(), *(rule["expr"] for rule in rules())]:
        for labels in re.findall(r"by \(([^)]*)\)", query):
            assert {label.strip() for label in labels.split(",")} <= known, query
        assert set(re.findall(r"[{,](\w+)=", query)) <= known, query


def test_every_alert_says_how_grave_it_is_and_stands_in_the_documentation() -> None:
    text = (CHECKOUT / "docs/operations.md").read_text()
    for rule in rules():
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
        assert rule["alert"] in text


def test_the_scrape_example_asks_for_the_right_address() -> None:
    (config,) = yaml.safe_load((OPS / "prometheus/prometheus.yml").read_text())["scrape_configs"]
    assert config["metrics_path"] == "/metrics"
