"""What a connection says of its account at kdniao: secrets, and what kdniao's papers leave open."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from logistics.carriers.adapters.setting_up import NotSetUp, needed, options_of, text
from oms.common.models import Connection

BUSINESS_ID, APP_KEY, ACCOUNTS = "ebusiness_id", "app_key", "accounts"
__all__ = ["ACCOUNTS", "APP_KEY", "BUSINESS_ID", "NotSetUp", "Options", "Setup", "of", "text"]


class Options(msgspec.Struct, frozen=True):
    """The connection's options; docs/connections.md says what each means. Carriers stand by kdniao's code."""

    books_by: Literal["1007", "1801"] = "1007"
    queries_by: Literal["8001", "1002"] = "8001"
    subscribes_by: Literal["8008", "1008"] = "8008"
    pay_type: int = 3
    exp_type: str = "1"
    exp_types: dict[str, str] = {}
    children: tuple[str, ...] = ()
    cod_service: str = "COD"
    cod_accounts: dict[str, str] = {}
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
    secrets, options = needed(link, BUSINESS_ID, APP_KEY), options_of(link, Options)
    try:
        accounts = msgspec.json.decode(secrets.get(ACCOUNTS) or "{}", type=dict[str, dict[str, str]])
    except msgspec.MsgspecError as error:
        raise NotSetUp(f"The connection {link.code} is not set up well: {error}") from error
    return Setup(secrets[BUSINESS_ID], secrets[APP_KEY], accounts, options)
