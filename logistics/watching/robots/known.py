"""All adapters of robots, by the protocol of their connection."""

from collections.abc import Mapping

from logistics.watching.robots import Notice, Robot, dingtalk, feishu, mail, webhook, wecom
from oms.common.models import Connection


def _drop(link: Connection, notice: Notice) -> None:
    """The sandbox hears everything and says nothing."""


ROBOTS: Mapping[str, Robot] = {
    "dingtalk": dingtalk.send,
    "wecom": wecom.send,
    "feishu": feishu.send,
    "mail": mail.send,
    "json": webhook.send,
    "sandbox": _drop,
}
