"""Fetching Alipay's bills: an address is asked for, and the zip fetched from there within 30 seconds."""

from collections.abc import Collection, Mapping
from datetime import date

from oms.common.models import Connection
from payments.models import BillForm
from payments.providers.alipay import wire
from payments.providers.billing import fetched, of_forms
from payments.providers.errors import NotReady, Refused

# What Alipay calls the bill of each form.
KINDS = {BillForm.ALIPAY_TRADE: "trade", BillForm.ALIPAY_FUND: "signcustomer"}
# Neither made yet, nor will it be where nothing happened that day. The first is what the gateway says, the second what
# its documentation lists.
_NONE = frozenset({"isp.bill_not_exist", "BILL_NOT_EXIST"})


def bill(link: Connection, day: date, forms: Collection[str]) -> Mapping[str, bytes]:
    """See `payments.providers.BillingProvider`."""
    return of_forms([form for form in forms if form in KINDS], lambda form: _one(link, day, KINDS[BillForm(form)]))


def _one(link: Connection, day: date, kind: str) -> bytes:
    content = {"bill_type": kind, "bill_date": day.isoformat()}
    try:
        said = wire.call(link, "alipay.data.dataservice.bill.downloadurl.query", content)
    except Refused as refusal:
        if refusal.code in _NONE:
            raise NotReady(str(refusal)) from refusal
        raise
    return fetched(link, str(said["bill_download_url"]))
