"""What a connection says of its account at Cainiao (菜鸟): secrets, and what differs by contract or is unconfirmed."""

from dataclasses import dataclass

import msgspec

from logistics.carriers.adapters.setting_up import needed, options_of
from oms.common.models import Connection

TOKEN, APP_SECRET = "token", "app_secret"


class Options(msgspec.Struct, frozen=True):
    """The connection's options; docs/connections.md says what each means. Carriers stand by Cainiao's code."""

    user_id: str = "1"
    channel: str = "OTHERS"
    template_url: str = ""
    template_urls: dict[str, str] = {}
    token_field: str = "oaid"  # noqa: S105 - the name of a field
    cod_service: str = ""
    needs_encrypting: bool = False
    sorts: bool = False
    refusals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Setup:
    """A connection's account; the token is what Cainiao gave the shipper for us."""

    token: str
    app_secret: str
    options: Options


def of(link: Connection) -> Setup:
    """What the connection says. Raises NotSetUp, naming what is missing or wrong."""
    secrets = needed(link, TOKEN, APP_SECRET)
    return Setup(secrets[TOKEN], secrets[APP_SECRET], options_of(link, Options))
