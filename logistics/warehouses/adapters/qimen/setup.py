"""What a connection says of a warehouse on the 奇门 form: secrets, and what differs from one WMS to the next."""

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from logistics.carriers import codes
from oms.common.errors import OmsError
from oms.common.models import Connection
from orders.models.order_link import LinkKind

PROTOCOL = "qimen"
APP_KEY, APP_SECRET, SESSION = "app_key", "app_secret", "session"
PREFIX = "taobao.qimen."


class NotSetUp(OmsError):
    """The connection lacks what the protocol needs."""

    code = "not_set_up"


class Options(msgspec.Struct, frozen=True):
    """The connection's options; docs/connections.md says what each means."""

    customer_id: str = ""
    sign_method: Literal["md5", "hmac", "hmac-sha256"] = "md5"
    unsigned: bool = False
    prefixed: bool = False
    order_type: str = "JYCK"
    exchange_type: str = "HHCK"
    reissue_type: str = "BFCK"
    creates_by: Literal["deliveryorder.create", "deliveryorder.batchcreate"] = "deliveryorder.create"
    batch: int = 50
    cancels_later: bool = False
    books_changes: bool = False
    warehouses: dict[str, str] = {}
    owners: dict[str, str] = {}
    carriers: dict[str, str] = {}
    platforms: dict[str, str] = {}
    other_carrier: str = "OTHER"
    other_platform: str = "OTHER"
    # Words in a refusal that mean: it has it already; it does not know the goods, or the order; ask again later.
    repeated: tuple[str, ...] = ("重复", "已存在", "already exist")
    unknown_item: tuple[str, ...] = ("商品不存在", "item not exist")
    unknown_order: tuple[str, ...] = ("单号不存在", "单据不存在", "order not exist")
    busy: tuple[str, ...] = ("系统繁忙", "稍后", "超时", "busy", "timeout", "sign-check-failure")


@dataclass(frozen=True, slots=True)
class Setup:
    """A connection's agreement with a warehouse: keys, options, and the carriers' codes there by ours."""

    app_key: str
    app_secret: str
    session: str
    options: Options
    carriers: dict[str, str]

    def warehouse(self, code: str) -> str:
        """What the other side calls our warehouse."""
        return self.options.warehouses.get(code, code)

    def our_warehouse(self, theirs: str) -> str:
        """Our code of what the other side calls so."""
        return next((ours for ours, code in self.options.warehouses.items() if code == theirs), theirs)

    def owner(self, merchant: str) -> str:
        """What the other side calls the merchant whose goods they are."""
        return self.options.owners.get(merchant, merchant)

    def our_merchant(self, owner: str) -> str:
        """Our code of the owner of goods."""
        return next((ours for ours, code in self.options.owners.items() if code == owner), owner)

    def order_type(self, follows: str) -> str:
        """What the other side calls an order that follows from another one as `follows` (a LinkKind) says."""
        types = {LinkKind.EXCHANGE.value: self.options.exchange_type, LinkKind.REISSUE.value: self.options.reissue_type}
        return types.get(follows, self.options.order_type)

    def carrier(self, code: str) -> str:
        """What the other side calls our carrier."""
        return self.carriers.get(code, code) or self.options.other_carrier

    def our_carrier(self, theirs: str) -> str:
        """Our code of their carrier; empty where it names none in particular."""
        if theirs == self.options.other_carrier:
            return ""
        return next((ours for ours, code in self.carriers.items() if code == theirs), theirs)[:20]


def of(link: Connection) -> Setup:
    """What the connection says. Raises NotSetUp, naming what is missing or wrong."""
    secrets: dict[str, Any] = link.secrets()
    try:
        options = msgspec.convert(link.options, Options)
    except msgspec.ValidationError as error:
        raise NotSetUp(f"The connection {link.code} is not set up well: {error}") from error
    needed = [] if options.unsigned else [name for name in (APP_KEY, APP_SECRET) if not secrets.get(name)]
    needed += ["customer_id"] if not options.customer_id else []
    needed += ["allowed_addresses"] if options.unsigned and not link.allowed_addresses else []
    if needed:
        raise NotSetUp(f"The connection {link.code} has no {', '.join(needed)}.")
    return Setup(
        str(secrets.get(APP_KEY, "")),
        str(secrets.get(APP_SECRET, "")),
        str(secrets.get(SESSION, "")),
        options,
        {**codes.theirs(PROTOCOL), **options.carriers},
    )
