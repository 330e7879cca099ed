"""Robots of DingTalk (钉钉): signed in the address; 20 messages a minute."""

import time

from django.utils.translation import gettext_lazy as _

from logistics.watching.robots import Notice
from logistics.watching.robots.posting import post, register_robot, signature
from oms.common.models import Connection


def send(link: Connection, notice: Notice) -> None:
    """See `logistics.watching.robots.Robot`. The secrets are `access_token` and, where the robot signs, `secret`."""
    secrets = link.secrets()
    params = {"access_token": str(secrets.get("access_token", ""))}
    if secret := str(secrets.get("secret", "")):
        timestamp = str(int(time.time() * 1000))
        # Encoded for the address by the client.
        params |= {"timestamp": timestamp, "sign": signature(secret, f"{timestamp}\n{secret}")}
    text = f"### {notice.title}\n\n" + "\n\n".join(notice.text.splitlines())
    mobiles = [str(one) for one in link.options.get("at_mobiles", [])]
    body = {
        "msgtype": "markdown",
        "markdown": {"title": notice.title, "text": text},
        "at": {"atMobiles": mobiles, "isAtAll": False},
    }
    post(link, "/robot/send", body, code="errcode", params=params)


register_robot("dingtalk", _("DingTalk robot"), ("access_token", "secret"))
