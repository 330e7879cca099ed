"""What a connection says of its account at kuaidi100: secrets, and what its papers leave open."""

from dataclasses import dataclass

import msgspec
from django.conf import settings

from oms.common.errors import OmsError
from oms.common.models import Connection

CUSTOMER, KEY, SALT = "customer", "key", "salt"


class NotSetUp(OmsError):
    """The connection lacks what the protocol needs."""

    code = "not_set_up"


class Options(msgspec.Struct, frozen=True):
    """The connection's options; docs/connections.md says what each means."""

    resultv2: str = "4"
    callback_url: str = ""
    recognise_path: str = "/autonumber/auto"
    repeated: tuple[str, ...] = ("501",)
    refusals: tuple[str, ...] = ("400", "700", "701")
    no_record: tuple[str, ...] = ("500",)


@dataclass(frozen=True, slots=True)
class Setup:
    """A connection's account; `callback_url` is where kuaidi100 pushes to."""

    customer: str
    key: str
    salt: str
    callback_url: str
    options: Options


def of(link: Connection) -> Setup:
    """What the connection says. Raises NotSetUp, naming what is missing or wrong."""
    secrets = link.secrets()
    for name in (CUSTOMER, KEY, SALT):
        if not secrets.get(name):
            raise NotSetUp(f"The connection {link.code} has no {name}.")
    try:
        options = msgspec.convert(link.options, Options)
    except msgspec.MsgspecError as error:
        raise NotSetUp(f"The connection {link.code} is not set up well: {error}") from error
    ours = f"{settings.PUBLIC_URL}/callbacks/{link.code}/" if settings.PUBLIC_URL else ""
    return Setup(str(secrets[CUSTOMER]), str(secrets[KEY]), str(secrets[SALT]), options.callback_url or ours, options)
