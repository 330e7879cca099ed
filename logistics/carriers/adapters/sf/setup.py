"""What a connection says of its account at SF (丰桥): secrets, and what differs by contract or is not confirmed."""

from dataclasses import dataclass

import msgspec

from logistics.carriers.adapters.setting_up import needed, options_of
from oms.common.models import Connection

PARTNER_ID, CHECK_WORD, MONTHLY_CARD = "partner_id", "check_word", "monthly_card"


class Options(msgspec.Struct, frozen=True):
    """The connection's options; docs/connections.md says what each means."""

    express_type: int = 2
    pay_method: int = 1
    calls_courier: bool = False
    pick_up_from: str = "09:00"
    pick_up_until: str = "18:00"
    confirms: bool = False
    children: bool = True
    cod_card: str = ""
    intercept_pay_mode: str = "4"
    refusals: tuple[str, ...] = ("61", "62", "S0001", "S0002")
    repeated: tuple[str, ...] = ("8016",)
    unknown: tuple[str, ...] = ("8018", "8024")
    cancelled: tuple[str, ...] = ("8037",)
    confirmed: tuple[str, ...] = ("8019",)
    too_late: tuple[str, ...] = ("80", "81", "82")


@dataclass(frozen=True, slots=True)
class Setup:
    """A connection's account."""

    partner_id: str
    check_word: str
    monthly_card: str
    options: Options


def of(link: Connection) -> Setup:
    """What the connection says. Raises NotSetUp, naming what is missing or wrong."""
    secrets = needed(link, PARTNER_ID, CHECK_WORD)
    options = options_of(link, Options)
    return Setup(secrets[PARTNER_ID], secrets[CHECK_WORD], secrets.get(MONTHLY_CARD, ""), options)
