"""What a connection says of its account at kdniao: secrets, and what kdniao's papers leave open."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from oms.common.errors import OmsError
from oms.common.models import Connection

BUSINESS_ID, APP_KEY, ACCOUNTS = "ebusiness_id", "app_key", "accounts"


class NotSetUp(OmsError):
    """The connection lacks what the protocol needs."""

    code = "not_set_up"


class Options(msgspec.Struct, frozen=True):
    """The connection's options; docs/connections.md says what each means. Carriers stand by kdniao's code."""

    books_by: Literal["1007", "1801"] = "1007"
    queries_by: Literal["8001", "1002"] = "8001"
    subscribes_by: Literal["8008", "1008"] = "8008"
    pay_type: int = 3
    exp_type: str = "1"
    exp_types: dict[str, str] = {}
    notifies_courier: bool = False
    with_template: bool = True
    template_size: str = ""
    pick_up_from: str = "09:00"
    pick_up_until: str = "18:00"
    refusals: tuple[str, ...] = ("101", "103", "105", "401", "402", "403", "404")
    repeated: tuple[str, ...] = ("106",)


@dataclass(frozen=True, slots=True)
class Setup:
    """A connection's account: `accounts` are the fields with which each carrier's branch knows us."""

    business_id: str
    app_key: str
    accounts: Mapping[str, Mapping[str, str]]
    options: Options


def of(link: Connection) -> Setup:
    """What the connection says. Raises NotSetUp, naming what is missing or wrong."""
    secrets = link.secrets()
    for name in (BUSINESS_ID, APP_KEY):
        if not secrets.get(name):
            raise NotSetUp(f"The connection {link.code} has no {name}.")
    try:
        options = msgspec.convert(link.options, Options)
        accounts = msgspec.json.decode(secrets.get(ACCOUNTS) or "{}", type=dict[str, dict[str, str]])
    except msgspec.MsgspecError as error:
        raise NotSetUp(f"The connection {link.code} is not set up well: {error}") from error
    return Setup(str(secrets[BUSINESS_ID]), str(secrets[APP_KEY]), accounts, options)


def text(said: Mapping[str, Any], name: str) -> str:
    """A field as text; empty where it is missing."""
    value = said.get(name)
    return "" if value is None or isinstance(value, dict | list) else str(value).strip()
