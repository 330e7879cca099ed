"""Mailboxes: the options of the connection name them (`to`, a list)."""

from django.core.mail import EmailMessage
from django.utils.translation import gettext_lazy as _

from logistics.watching.robots import Notice, NotTold
from logistics.watching.robots.posting import register_robot
from oms.common.models import Connection


def send(link: Connection, notice: Notice) -> None:
    """See `logistics.watching.robots.Robot`."""
    to = [str(one) for one in link.options.get("to", [])]
    if not to:
        raise NotTold("the options of the connection name no mailbox in `to`")
    EmailMessage(notice.title, notice.text, to=to).send()


register_robot("mail", _("E-mail"), ())
