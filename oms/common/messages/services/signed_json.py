"""SMS services, or a bridge to one, that speak the protocol `json` (see `oms.common.work.signed_json`).

Below the connection's base address we post to `messages`

    {"messages": [{"number": "4711", "phone": "13800001111", "text": "…", "template": "SMS_1",
                   "values": {"link": "…"}}]}

and are answered for each number; the same number is never sent twice:

    {"answers": [{"number": "4711", "taken": true, "reason": ""}]}
"""

from collections.abc import Mapping, Sequence

import msgspec

from oms.common.messages.services import Answer, Text
from oms.common.models import Connection
from oms.common.work.signed_json import post


class _Said(msgspec.Struct):
    number: str
    taken: bool
    reason: str = ""


class _Answers(msgspec.Struct):
    answers: list[_Said]


class JsonSms:
    """See `oms.common.messages.services.SmsService`."""

    def send(self, link: Connection, texts: Sequence[Text]) -> Mapping[str, Answer]:
        """Hand the messages over. Raises msgspec.ValidationError where the answer is no such thing."""
        body = [
            {
                "number": one.reference,
                "phone": one.phone,
                "text": one.text,
                "template": one.template,
                "values": dict(one.values),
            }
            for one in texts
        ]
        said = msgspec.convert(post(link, "messages", {"messages": body}), _Answers)
        return {one.number: Answer(one.taken, one.reason[:200]) for one in said.answers}


SMS = JsonSms()
