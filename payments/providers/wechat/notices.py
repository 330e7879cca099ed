"""What WeChat Pay posts to us: JSON, signed in the headers, with what happened sealed within."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common import signatures
from oms.common.errors import OmsError
from oms.common.models import Connection, SystemKind
from oms.common.work.facts import News
from oms.common.work.protocols import Known, Message, NotGenuine, Reply, Unreadable, register
from oms.common.work.singly import Unclear
from payments.providers import Question
from payments.providers.errors import NotSetUp
from payments.providers.wechat import facts, keys, wire
from payments.providers.wechat.adapter import WechatPay


class WechatSpeaker:
    """See `oms.common.work.protocols.Speaker`."""

    def verify(self, link: Connection, message: Message) -> None:
        """Raises NotGenuine unless WeChat signed the message within the connection's clock skew. WeChat sends some that
        are signed wrongly on purpose, to see whether we look."""
        signature = wire.signature_of(message.headers)
        if signature is None:
            raise NotGenuine(_("The message is not signed as WeChat Pay signs."))
        if abs(message.received_at.timestamp() - signature.at) > link.clock_skew_seconds:
            raise NotGenuine(_("The time of the message differs too much from ours."))
        try:
            is_genuine = keys.is_wechats(link, signature, message.body)
        except (NotSetUp, signatures.NoKey) as error:
            raise NotGenuine(_("The connection %(code)s has no keys.") % {"code": link.code}) from error
        if not is_genuine:
            raise NotGenuine(_("The signature does not fit."))

    def read(self, link: Connection, body: str) -> Sequence[News]:
        """Raises Unreadable for a message about another merchant or app, or of another kind."""
        us, told = wire.account(link), json.loads(body)
        event = str(told.get("event_type", ""))
        said: dict[str, Any] = json.loads(wire.unseal(us, told["resource"]))
        if event.startswith("COMPLAINT."):
            # It names no merchant: that it opens with our key says whose it is.
            return [facts.complained(said, str(told["id"]))]
        _must_be_ours(said, "mchid", us.mchid)
        if event.startswith("TRANSACTION."):
            _must_be_ours(said, "appid", us.appid)
            if said.get("trade_state") in facts.PAID:
                return [facts.captured(said)]
        if event.startswith("REFUND.") and said.get("refund_status") in facts.NOT_REFUNDED | {facts.REFUNDED}:
            return [facts.refunded(said, str(said["refund_status"]))]
        raise Unreadable(f"event {event}")

    def accepted(self, link: Connection, message: Message) -> Reply:
        """That is all."""
        return Reply('{"code": "SUCCESS"}')

    def refused(self, link: Connection, error: OmsError) -> Reply:
        """Why: it comes again."""
        answer = {"code": "FAIL", "message": str(error)}
        return Reply(json.dumps(answer, ensure_ascii=False), status=error.status_code)

    def test(self, link: Connection) -> None:
        """Ask for an order that nobody made: that there is none is a sign of life. Raises what went wrong."""
        try:
            WechatPay().find_payment(Question("connection_test"), link)
        except Unclear as unclear:
            raise OmsError(str(unclear)) from unclear


def _must_be_ours(said: Mapping[str, Any], name: str, ours: str) -> None:
    if said.get(name) != ours:
        raise Unreadable(f"{name} {said.get(name, '')} is not ours")


register(
    Known(
        "wechat",
        frozenset({SystemKind.PAYMENT}),
        gettext_lazy("WeChat Pay"),
        WechatSpeaker(),
        secrets=(*wire.SECRETS, *wire.PUBLIC_KEY_SECRETS),
    )
)
