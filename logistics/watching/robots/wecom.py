"""Robots of WeCom (企业微信): the key in the address is the secret; 20 messages a minute."""

from django.utils.translation import gettext_lazy as _

from logistics.watching.robots import Notice
from logistics.watching.robots.posting import post, register_robot
from oms.common.models import Connection


def send(link: Connection, notice: Notice) -> None:
    """See `logistics.watching.robots.Robot`. The secret is `key`."""
    body = {"msgtype": "markdown", "markdown": {"content": f"**{notice.title}**\n{notice.text}"}}
    post(link, "/cgi-bin/webhook/send", body, code="errcode", params={"key": str(link.secrets().get("key", ""))})


register_robot("wecom", _("WeCom robot"), ("key",))
