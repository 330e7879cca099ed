"""The pretended providers of a test, and what a test does with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.test import Client

from oms.common.models import Connection
from oms.simulators import certificates, keys, notifying, wsgi
from oms.simulators.alipay import AlipayPeer
from oms.simulators.books import Notice
from oms.simulators.mischief import Twist
from oms.simulators.notifying import Posted
from oms.simulators.wechat import WechatPeer

SITE = "https://oms.example"


@dataclass
class Peers:
    """Both peers, and the address of their server."""

    address: str
    alipay: AlipayPeer
    wechat: WechatPeer

    def of(self, link: Connection) -> AlipayPeer | WechatPeer:
        """The peer that a connection speaks with."""
        return self.alipay if link.protocol == "alipay" else self.wechat


@contextmanager
def serving(known: keys.Keys) -> Iterator[Peers]:
    """Within it, both peers answer."""
    made: list[Peers] = []

    def make(address: str) -> dict[str, wsgi.Peer]:
        mine = Peers(
            address, AlipayPeer(known.alipay, f"{address}/alipay"), WechatPeer(known.wechat, f"{address}/wechat")
        )
        made.append(mine)
        return {"alipay": mine.alipay, "wechat": mine.wechat}

    with wsgi.running(make):
        yield made[0]
        made[0].alipay.book.shut()
        made[0].wechat.book.shut()


def connect_alipay(both: Peers, code: str = "alipay-1") -> Connection:
    """A connection to Alipay's peer, by its certificates where it has some."""
    known = both.alipay.keys
    link = Connection(code=code, kind="payment", protocol="alipay", base_url=f"{both.alipay.address}/gateway.do")
    secrets = {"app_id": known.app_id, "seller_id": known.seller_id, "app_private_key": known.app.private}
    if certified := both.alipay.certified:
        secrets |= {
            "app_certificate": certificates.text(certified.app),
            "alipay_root_certificate": certificates.text(certified.authority.root),
            "alipay_certificate": certificates.text(certified.own),
        }
    else:
        secrets["alipay_public_key"] = known.alipay.public
    link.set_secrets(secrets).save()
    return link


def connect_wechat(both: Peers, code: str = "wechat-1", *, by_certificate: bool = False) -> Connection:
    """A connection to WeChat's peer, by its public key or by its certificates."""
    known = both.wechat.keys
    link = Connection(code=code, kind="payment", protocol="wechat", base_url=both.wechat.address)
    secrets = {
        "mchid": known.mchid,
        "appid": known.appid,
        "merchant_private_key": known.merchant.private,
        "merchant_serial": known.merchant_serial,
        "api_v3_key": known.api_v3_key,
    }
    if not by_certificate:
        secrets |= {"platform_public_key": known.platform.public, "platform_public_key_id": known.public_key_id}
    link.set_secrets(secrets).save()
    return link


def post(posted: Posted) -> tuple[int, str]:
    """A notification comes to the site's public door."""
    kind = posted.headers["content-type"]
    headers = {name: value for name, value in posted.headers.items() if name != "content-type"}
    answer = Client(headers=headers).post(urlsplit(posted.url).path, posted.body, content_type=kind)
    return answer.status_code, answer.content.decode()


def tell(peer: AlipayPeer | WechatPeer, notice: Notice | None = None, twist: Twist = Twist.NOTHING) -> tuple[int, str]:
    """The peer tells the oldest thing that it has to tell (or this notice); what the site answered."""
    return notifying.deliver(peer, notice or peer.book.notices()[0], post, twist=twist)


def tell_all(peer: AlipayPeer | WechatPeer) -> list[tuple[int, str]]:
    """The peer tells everything."""
    return [tell(peer, notice) for notice in peer.book.notices()]
