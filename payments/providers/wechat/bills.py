"""Fetching WeChat Pay's bills: an address is asked for; what comes is not signed, so its SHA-1 is compared."""

import gzip
import hashlib
import io
import zlib
from collections.abc import Collection, Mapping
from datetime import date
from urllib.parse import urlsplit

from django.conf import settings

from oms.common.models import Connection
from oms.common.work.singly import Unclear
from payments.models import BillForm
from payments.providers.billing import fetched, of_forms
from payments.providers.errors import NotReady, Refused
from payments.providers.wechat import calls, wire

# What is asked for of each form.
TARGETS = {
    BillForm.WECHAT_TRADE: "/v3/bill/tradebill?bill_date={day}&bill_type=ALL&tar_type=GZIP",
    BillForm.WECHAT_FUND: "/v3/bill/fundflowbill?bill_date={day}&account_type=BASIC&tar_type=GZIP",
}
# Being made, and never made where nothing happened that day.
_NONE = frozenset({"STATEMENT_CREATING", "NO_STATEMENT_EXIST"})


def bill(link: Connection, day: date, forms: Collection[str]) -> Mapping[str, bytes]:
    """See `payments.providers.BillingProvider`."""
    chosen = [form for form in forms if form in TARGETS]
    return of_forms(chosen, lambda form: _one(link, TARGETS[BillForm(form)].format(day=day.isoformat())))


def _one(link: Connection, target: str) -> bytes:
    try:
        said = calls.call(link, "GET", target)
    except Refused as refusal:
        if refusal.code in _NONE:
            raise NotReady(str(refusal)) from refusal
        raise
    if said.get("hash_type") != "SHA1":
        raise Unclear(f"the bill's digest is of kind {said.get('hash_type')}")
    url = str(said["download_url"])
    content = _unfolded(fetched(link, url, wire.headers(link, "GET", _target(link, url))))
    if hashlib.sha1(content, usedforsecurity=False).hexdigest() != str(said["hash_value"]).lower():
        raise Unclear("the bill's digest does not fit")
    return content


def _target(link: Connection, url: str) -> str:
    """What of the address is signed: path and query, behind the connection's own address."""
    base = wire.base_url(link)
    if url.startswith(f"{base}/"):
        return url.removeprefix(base)
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def _unfolded(content: bytes) -> bytes:
    """The file out of its gzip, where it is one. Raises Unclear for one that is damaged or unfolds too far."""
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        with gzip.open(io.BytesIO(content)) as file:
            unfolded = file.read(settings.BILL_MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise Unclear("the bill's archive is damaged") from error
    if len(unfolded) > settings.BILL_MAX_BYTES:
        raise Unclear("the bill is larger than bills may be")
    return unfolded
