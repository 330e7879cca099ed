"""Robots of Feishu (飞书): signed in the body; the id in the address is a secret."""

import time
from typing import Any

from django.utils.translation import gettext_lazy as _

from logistics.watching.robots import Notice
from logistics.watching.robots.posting import post, register_robot, signature
from oms.common.models import Connection


def send(link: Connection, notice: Notice) -> None:
    """See `logistics.watching.robots.Robot`. The secrets are `hook` (the id) and, where the robot signs, `secret`."""
    secrets = link.secrets()
    body: dict[str, Any] = {"msg_type": "text", "content": {"text": f"{notice.title}\n{notice.text}"}}
    if secret := str(secrets.get("secret", "")):
        timestamp = str(int(time.time()))
        body |= {"timestamp": timestamp, "sign": signature(f"{timestamp}\n{secret}", "")}
    post(link, f"/open-apis/bot/v2/hook/{secrets.get('hook', '')}", body, code="code")


register_robot("feishu", _("Feishu robot"), ("hook", "secret"))
