"""What a connection says of its account at JD Logistics (京东物流): secrets, and what differs by contract or is not
confirmed."""

from dataclasses import dataclass

import msgspec

from logistics.carriers.adapters.setting_up import needed, options_of
from oms.common.models import Connection

APP_KEY, APP_SECRET, ACCESS_TOKEN, CUSTOMER_CODE = "app_key", "app_secret", "access_token", "customer_code"


class Options(msgspec.Struct, frozen=True):
    """The connection's options; docs/connections.md says what each means."""

    domain: str = "ECAP"
    origin: int = 1  # B2C
    settle_type: int = 3  # monthly
    product: str = "ed-m-0001"
    cod_product: str = ""
    cod_attribute: str = "shouldPayMoney"
    calls_courier: bool = False
    pick_up_from: str = "09:00"
    pick_up_until: str = "18:00"
    refusals: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()
    query_path: str = "/ecap/v1/orders/trace/query"
    modify_path: str = "/ecap/v1/orders/modify"


@dataclass(frozen=True, slots=True)
class Setup:
    """A connection's account; the access token is what JD gave the customer for us."""

    app_key: str
    app_secret: str
    access_token: str
    customer_code: str
    options: Options


def of(link: Connection) -> Setup:
    """What the connection says. Raises NotSetUp, naming what is missing or wrong."""
    secrets = needed(link, APP_KEY, APP_SECRET, ACCESS_TOKEN, CUSTOMER_CODE)
    return Setup(
        app_key=secrets[APP_KEY],
        app_secret=secrets[APP_SECRET],
        access_token=secrets[ACCESS_TOKEN],
        customer_code=secrets[CUSTOMER_CODE],
        options=options_of(link, Options),
    )
