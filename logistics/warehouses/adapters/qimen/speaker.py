"""Callbacks of warehouses on the 奇门 form: told genuine, read, and answered in its words."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from logistics.warehouses.adapters.qimen import deliveries, goods, setup, signing, wire
from logistics.warehouses.adapters.qimen.reading import Message as Told
from logistics.warehouses.adapters.qimen.setup import PREFIX, Setup
from oms.common.errors import OmsError
from oms.common.models import Connection, SystemKind
from oms.common.work import xml
from oms.common.work.facts import News
from oms.common.work.protocols import Known, Message, NotGenuine, Reply, Unreadable, register
from oms.common.zones import CHINA

_XML = "text/xml; charset=utf-8"
_METHODS: Mapping[str, Callable[[Told, Setup], Iterable[News]]] = {
    "deliveryorder.confirm": deliveries.confirmed,
    "deliveryorder.batchconfirm": deliveries.confirmed,
    "deliveryorder.batchcreate.answer": deliveries.batch_taken,
    "orderprocess.report": deliveries.progressed,
    "itemlack.report": deliveries.lacking,
    "stockout.confirm": goods.sent,
    "entryorder.confirm": goods.received,
    "returnorder.confirm": goods.returned,
    "stockchange.report": goods.changed,
    "inventory.report": goods.counted,
}


class WrongSignature(NotGenuine):
    """It is not signed with our secret."""

    code = "sign-check-failure"


class OtherCustomer(NotGenuine):
    """It is about an agreement that is not ours."""

    code = "unknown-customer"


class NotXml(NotGenuine):
    """Nothing in it can be read, whoever sent it."""

    code = "malformed"


class QimenSpeaker:
    """See `oms.common.work.protocols.Speaker` and `KeepsMore`."""

    def verify(self, link: Connection, message: Message) -> None:
        """Raises NotGenuine unless it is signed with our secret just now, about our agreement, and XML."""
        try:
            mine = setup.of(link)
        except setup.NotSetUp as error:
            raise NotGenuine(str(error)) from error
        parameters, body = signing.signed_parts(message.parameters, message.headers, message.body)
        if not mine.options.unsigned:
            self._check_signature(mine, parameters, body)
            self._check_time(link, parameters, message.received_at)
        if parameters.get("customerId", "") != mine.options.customer_id:
            raise OtherCustomer(_("The message is for another account."))
        try:
            xml.parse(message.body)
        except xml.Malformed as error:
            raise NotXml(str(error)) from error

    @staticmethod
    def _check_signature(mine: Setup, parameters: Mapping[str, str], body: str) -> None:
        try:
            is_signed = signing.is_signed(parameters, body, mine.app_secret)
        except signing.UnknownMethod as error:
            raise WrongSignature(str(error)) from error
        if not is_signed:
            raise WrongSignature(_("The signature does not fit."))

    @staticmethod
    def _check_time(link: Connection, parameters: Mapping[str, str], received_at: datetime) -> None:
        sent_at = _time(parameters.get("timestamp", ""))
        if sent_at is None or abs((received_at - sent_at).total_seconds()) > link.clock_skew_seconds:
            raise WrongSignature(_("The time of the message differs too much from ours."))

    def kept(self, link: Connection, message: Message) -> str:
        """What it is about stands in its address, so that is kept beside its body."""
        named = {name: message.parameters.get(name, "") for name in ("method", "timestamp")}
        return json.dumps({**named, "body": message.body}, ensure_ascii=False)

    def read(self, link: Connection, body: str) -> Sequence[News]:
        """What it says. Raises Unreadable for a method that is not known, naming it."""
        kept: dict[str, Any] = json.loads(body)
        method = str(kept["method"]).removeprefix(PREFIX)
        if method not in _METHODS:
            raise Unreadable(f"The method {method[:60] or '–'} is not known.")
        root = xml.parse(str(kept["body"]))
        told = Told(method, _time(str(kept["timestamp"])) or timezone.now(), root)
        return list({one.key: one for one in _METHODS[method](told, setup.of(link))}.values())

    def accepted(self, link: Connection, message: Message) -> Reply:
        """That it is stored."""
        return _reply("success", "0", "success")

    def refused(self, link: Connection, error: OmsError) -> Reply:
        """Why it was not taken."""
        return _reply("failure", error.code, str(error))

    def test(self, link: Connection) -> None:
        """Ask how an order stands that there is not, which has no effect. Any answer of the form will do."""
        wire.ask(link, setup.of(link), "orderprocess.query", {"orderCode": "OMS-TEST", "orderType": "JYCK"})


def _reply(flag: str, code: str, text: str) -> Reply:
    return Reply(xml.write("response", {"flag": flag, "code": code, "message": text}), content_type=_XML)


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text.replace("+", " "), "%Y-%m-%d %H:%M:%S").replace(tzinfo=CHINA)
    except ValueError:
        return None


register(
    Known(
        setup.PROTOCOL,
        frozenset({SystemKind.WAREHOUSE}),
        gettext_lazy("Qimen (warehouse systems)"),
        QimenSpeaker(),
        secrets=(setup.APP_KEY, setup.APP_SECRET, setup.SESSION),
        refuses_all=True,
    )
)
