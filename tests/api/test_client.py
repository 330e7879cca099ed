"""`python -m oms.client` and the client that it stands on, against a real server."""

import io
import json
import os
import subprocess
import sys
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
from django.utils import timezone
from standardwebhooks import Webhook

from oms.client import ApiError, Client, Unreachable, listening
from oms.client import __main__ as command
from oms.merchants.calls import credentials
from orders.models import Order
from tests import factories
from tests.webhooks.receiver import receiver

ROOT = Path(__file__).parents[2]
live = pytest.mark.django_db(transaction=True)


@pytest.fixture
def served(live_server, monkeypatch):
    """A shop, and the environment that the client takes its key from."""
    shop = factories.make_shop()
    issued = credentials.issue(shop.merchant, "cli")
    monkeypatch.setenv("OMS_URL", live_server.url)
    monkeypatch.setenv("OMS_APP_KEY", issued.credential.app_key)
    monkeypatch.setenv("OMS_SECRET", issued.secret)
    return shop


def run(*arguments, stdin="", capsys=None, monkeypatch=None):
    """Run the command in this process; returns exit code and what it printed."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
    code = command.main(list(arguments))
    return code, capsys.readouterr()


@live
def test_an_order_goes_from_a_shell_to_the_list_and_back(served, capsys, monkeypatch, tmp_path):
    both = {"capsys": capsys, "monkeypatch": monkeypatch}
    body = json.dumps(served.body())
    code, said = run("order", "create", "-", "--key", "first", stdin=body, **both)
    created = json.loads(said.out)
    assert (code, created["state"]) == (0, "awaiting_payment")
    assert json.loads(run("order", "create", "-", "--key", "first", stdin=body, **both)[1].out) == created

    assert json.loads(run("order", "get", created["number"], **both)[1].out) == created
    (tmp_path / "more.json").write_text(json.dumps([served.body() for _ in range(3)]))
    results = json.loads(run("orders", "create", str(tmp_path / "more.json"), **both)[1].out)
    assert [result["status"] for result in results] == ["created"] * 3
    listed = run("orders", "list", "--most", "3", "limit=2", **both)[1].out.splitlines()
    assert [json.loads(line)["number"] for line in listed] == [result["number"] for result in reversed(results)]
    code, said = run("raw", "get", "/api/v1/orders?buyer=张&limit=1", **both)
    assert (code, json.loads(said.out)["results"]) == (0, [])
    assert Order.objects.count() == 4


@live
def test_refusals_are_told_and_the_exit_code_says_so(served, capsys, monkeypatch):
    both = {"capsys": capsys, "monkeypatch": monkeypatch}
    code, said = run("order", "create", "-", stdin="{}", **both)
    assert code == 1
    assert "external_number" in said.err
    assert json.loads(said.out)["type"] == "validation_error"
    assert run("order", "create", "-", stdin="nonsense", **both)[0] == 2
    assert run("orders", "list", "state", **both)[0] == 2
    monkeypatch.setenv("OMS_SECRET", "sk_wrong")
    code, said = run("orders", "list", **both)
    assert code == 1
    assert "SHA-256" in said.err
    monkeypatch.delenv("OMS_APP_KEY")
    code, said = run("orders", "list", **both)
    assert (code, "OMS_APP_KEY" in said.err) == (2, True)


def test_it_runs_where_nothing_but_python_is_installed():
    """Without site-packages, settings or environment."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-S", "-m", "oms.client", "--help"],
        cwd=ROOT / "docs",
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "order" in done.stdout


class Fickle(BaseHTTPRequestHandler):
    """Answers as the test says, and remembers what it was asked."""

    answers: list = []
    seen: list = []

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append((self.headers["Idempotency-Key"], self.headers["Authorization"]))
        status, headers, body = self.answers.pop(0)
        if status is None:
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PATCH = do_POST

    def log_message(self, *_args):
        pass


@pytest.fixture
def fickle(monkeypatch):
    """A server that fails as told, and a client of it that does not wait."""
    waits = []
    monkeypatch.setattr("oms.client.calling.time.sleep", waits.append)
    Fickle.answers, Fickle.seen = [], []
    with ThreadingHTTPServer(("127.0.0.1", 0), Fickle) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        client = Client(f"http://127.0.0.1:{server.server_port}/", "ak_1", "sk_1")
        client.waits = waits
        yield client
        server.shutdown()


def test_a_call_without_an_answer_is_repeated_with_the_same_key_and_a_new_nonce(fickle):
    in_use = json.dumps({"errors": [{"code": "idempotency_key_in_use", "detail": "x", "attr": None}]}).encode()
    Fickle.answers = [(None, {}, b""), (409, {"Retry-After": "1"}, in_use), (503, {}, b"down"), (201, {}, b'{"a": 1}')]
    assert fickle.create_order({}) == {"a": 1}
    assert len({key for key, _proof in Fickle.seen}) == 1
    assert len({proof for _key, proof in Fickle.seen}) == 4
    assert len(fickle.waits) == 3
    assert 0.7 < fickle.waits[1] < 1.3


def test_what_is_refused_is_not_repeated_nor_are_other_writes_nor_redirects_followed(fickle):
    Fickle.answers = [(409, {}, b'{"errors": [{"code": "duplicate", "detail": "x", "attr": null}]}')]
    with pytest.raises(ApiError) as refused:
        fickle.create_order({})
    assert refused.value.codes == {"duplicate"}
    Fickle.answers = [(503, {}, b"")]
    with pytest.raises(ApiError):
        fickle.request("PATCH", "/x", body={})
    Fickle.answers = [(302, {"Location": "/elsewhere"}, b"")]
    with pytest.raises(ApiError) as moved:
        fickle.create_order({})
    assert moved.value.status == 302
    assert len(Fickle.seen) == 3


def test_a_server_that_never_answers_is_told_from_a_refusal(fickle):
    Fickle.answers = [(None, {}, b"")] * 4
    with pytest.raises(Unreachable):
        fickle.create_order({})
    assert len(Fickle.seen) == 4


def test_an_address_that_is_none_is_refused():
    for address in ("ftp://x", "oms.example", ""):
        with pytest.raises(ValueError, match="is no address"):
            Client(address, "k", "s")


@live
def test_events_are_shown_and_passed_on_as_the_webhook_would_be(served, capsys, monkeypatch, settings):
    settings.AMOUNTS_LAG_SECONDS = 0
    both = {"capsys": capsys, "monkeypatch": monkeypatch}
    orders = [served.place_order() for _ in range(3)]
    began = (timezone.now() - timedelta(hours=1)).isoformat()
    secret = listening.new_secret()
    with receiver() as server:
        to = ("--forward", server.url, "--secret", secret)
        code, said = run("listen", "--once", "--since", began, "--types", "order.created", *to, **both)
        assert (code, said.err.count(": 204")) == (0, 3)
        shown = [json.loads(line) for line in said.out.splitlines()]
        assert [one["data"]["order"] for one in shown] == [order.number for order in orders]
        # Any library of the specification verifies them.
        messages = [Webhook(secret).verify(got.body, got.headers) for got in server.received]
        assert [message["data"] for message in messages] == [one["data"] for one in shown]
        assert [got.message_id for got in server.received] == [one["id"] for one in shown]
    # Who is not there is told from the events, which go on.
    code, said = run("listen", "--once", "--since", began, "--types", "order.created", *to, **both)
    assert (code, said.err.count("no answer"), len(said.out.splitlines())) == (0, 3, 3)
    code, said = run("listen", "--once", "--types", "order.nonsense", **both)
    assert (code, "types" in said.err) == (1, True)
    for wrong in (("--forward", "ftp://x"), ("--forward", "http://x", "--secret", "whsec_!"), ("--since", "soon")):
        assert run("listen", "--once", *wrong, **both)[0] == 2


def test_listening_goes_on_where_it_was_after_the_server_was_away(monkeypatch):
    waits = []
    monkeypatch.setattr("oms.client.listening.time.sleep", waits.append)
    answers = [
        {"results": [{"id": "1"}], "next": None, "cursor": "a"},
        Unreachable("away"),
        {"results": [{"id": "2"}], "next": "more", "cursor": "b"},
        {"results": [{"id": "3"}], "next": None, "cursor": "c"},
    ]
    asked = []

    class Fake:
        def request(self, _method, _path, *, query):
            asked.append(query)
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return SimpleNamespace(data=answer)

    events = listening.follow(Fake(), since=timezone.now(), types="order.*")
    assert [next(events)["id"] for _ in range(3)] == ["1", "2", "3"]
    assert [query.get("cursor") for query in asked] == [None, "a", "a", "b"]
    assert {query["types"] for query in asked} == {"order.*"}
    assert len(waits) == 2
