"""`python -m oms.client`: the API from a shell.

The server and the key come from the environment: OMS_URL, OMS_APP_KEY, OMS_SECRET.
"""

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oms.client import listening
from oms.client.calling import ApiError, Client, Unreachable


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns 0, or 1 where the server refused, or 2 where the call is wrong by itself."""
    options = _parser().parse_args(arguments)
    missing = [name for name in ("OMS_URL", "OMS_APP_KEY", "OMS_SECRET") if not os.environ.get(name)]
    if missing:
        return _fail(2, f"Set {', '.join(missing)}; API credentials at /merchant/ shows key and secret of a new one.")
    try:
        client = Client(os.environ["OMS_URL"], os.environ["OMS_APP_KEY"], os.environ["OMS_SECRET"])
        options.run(client, options)
    except ApiError as error:
        _show(error.data)
        return _fail(1, f"The server refused: {error}" + (f" (request {error.request_id})" if error.request_id else ""))
    except Unreachable as error:
        return _fail(1, f"No answer: {error}")
    except (OSError, ValueError) as error:
        return _fail(2, str(error))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m oms.client", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    order = commands.add_parser("order", help="one order").add_subparsers(required=True, metavar="ACTION")
    create = order.add_parser("create", help="send an order")
    create.add_argument("file", help="JSON file of the order, or - for what comes in")
    create.add_argument("--key", help="Idempotency-Key; a new UUID unless given")
    create.set_defaults(run=_create)
    get = order.add_parser("get", help="read an order")
    get.add_argument("number")
    get.set_defaults(run=_get)

    orders = commands.add_parser("orders", help="many orders").add_subparsers(required=True, metavar="ACTION")
    listing = orders.add_parser("list", help="list orders, newest first, one JSON object a line")
    listing.add_argument("filters", nargs="*", metavar="NAME=VALUE", help="such as state=awaiting_payment")
    listing.add_argument("--most", type=int, default=50, help="how many at most (50)")
    listing.set_defaults(run=_list)
    bulk = orders.add_parser("create", help="send up to 1,000 orders")
    bulk.add_argument("file", help='JSON file: a list of orders or {"orders": [...]}, or - for what comes in')
    bulk.add_argument("--key", help="Idempotency-Key; a new UUID unless given")
    bulk.set_defaults(run=_create_many)

    listen = commands.add_parser("listen", help="show events as they happen, one JSON object a line")
    listen.add_argument("--types", default="", help="only these, such as order.*,shipment.signed")
    listen.add_argument("--since", default="", metavar="TIME", help="from this time on (ISO 8601); now unless given")
    listen.add_argument("--forward", default="", metavar="URL", help="pass them on to this address, signed as webhooks")
    listen.add_argument("--secret", default="", help="what to sign them with, whsec_…; a new one unless given")
    listen.add_argument("--every", type=float, default=2.0, metavar="SECONDS", help="how often to ask (2)")
    listen.add_argument("--once", action="store_true", help="end when there are no more")
    listen.set_defaults(run=_listen)

    raw = commands.add_parser("raw", help="any call")
    raw.add_argument("method")
    raw.add_argument("path", help="such as /api/v1/orders?limit=1")
    raw.add_argument("--data", help="the body: JSON, @FILE or -")
    raw.add_argument("--key", help="Idempotency-Key; POST gets a new UUID unless given")
    raw.add_argument("--if-match", default="", help="the version that you read")
    raw.set_defaults(run=_raw)
    return parser


def _create(client: Client, options: argparse.Namespace) -> None:
    _show(client.create_order(json.loads(_read(options.file)), idempotency_key=options.key))


def _create_many(client: Client, options: argparse.Namespace) -> None:
    given = json.loads(_read(options.file))
    orders = given["orders"] if isinstance(given, dict) else given
    _show(client.create_orders(orders, idempotency_key=options.key))


def _get(client: Client, options: argparse.Namespace) -> None:
    _show(client.get_order(options.number))


def _list(client: Client, options: argparse.Namespace) -> None:
    filters = {}
    for text in options.filters:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"{text!r} is no filter: write NAME=VALUE.")
        filters[name] = value
    filters.setdefault("limit", str(max(1, min(options.most, 200))))
    for count, order in enumerate(client.list_orders(**filters), start=1):
        print(json.dumps(order, ensure_ascii=False))
        if count >= options.most:
            break


def _listen(client: Client, options: argparse.Namespace) -> None:
    since = datetime.fromisoformat(options.since) if options.since else datetime.now(UTC)
    since = since if since.tzinfo else since.astimezone()
    forwarder = None
    if options.forward:
        secret = options.secret or listening.new_secret()
        forwarder = listening.Forwarder(options.forward, secret)
        if not options.secret:
            print(f"Signed with {secret}", file=sys.stderr)
    events = listening.follow(
        client, since=since, types=options.types, every_seconds=max(options.every, 0.2), once=options.once
    )
    try:
        for event in events:
            print(json.dumps(event, ensure_ascii=False), flush=True)
            if forwarder:
                print(f"{event['id']} → {options.forward}: {forwarder.send(event)}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        return


def _raw(client: Client, options: argparse.Namespace) -> None:
    data = options.data
    body = None
    if data is not None:
        body = _read(data.removeprefix("@")) if data == "-" or data.startswith("@") else data.encode()
    answer = client.request(
        options.method, options.path, body=body, idempotency_key=options.key, if_match=options.if_match
    )
    print(f"{answer.status}{' (replayed)' if answer.was_replayed else ''}", file=sys.stderr)
    if answer.data is not None:
        _show(answer.data)


def _read(source: str) -> bytes:
    return sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()


def _show(data: Any) -> None:
    print(json.dumps(data, ensure_ascii=False, indent=2))


def _fail(code: int, message: str) -> int:
    print(message, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
