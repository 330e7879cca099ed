"""Pushes of carriers that sign nothing: a token that only the carrier was given stands in the address."""

import hmac

from django.utils.translation import gettext as _

from oms.common.models import Connection
from oms.common.work.protocols import Message, NotGenuine

PUSH_TOKEN = "push_token"  # noqa: S105 - the name of the secret


def verify_token(link: Connection, message: Message) -> None:
    """Raises NotGenuine unless the address has the token of the connection, and there is one."""
    token = str(link.secrets().get(PUSH_TOKEN, ""))
    given = message.parameters.get("token", "")
    if not token or not hmac.compare_digest(token.encode(), given.encode()):
        raise NotGenuine(_("The token of the address does not fit."))
