"""`manage.py simulate`: payment providers, invoices, carriers, their platforms and a 奇门 warehouse, pretended, on a
port of this machine."""

import logging
from argparse import ArgumentParser
from pathlib import Path
from threading import Event, Thread

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from oms.simulators import alipay, keys, notifying, wechat, wsgi
from oms.simulators.alipay import AlipayPeer
from oms.simulators.books import Book
from oms.simulators.bureau import Bureau
from oms.simulators.cainiao import CainiaoPeer
from oms.simulators.carrier_peer import CarrierPeer
from oms.simulators.connecting import JDL, KDNIAO, QIMEN, SF, keys_path
from oms.simulators.depots import Depot
from oms.simulators.jdl import JdlPeer
from oms.simulators.kdniao import KdniaoPeer
from oms.simulators.kuaidi100 import Kuaidi100Peer
from oms.simulators.notifying import Habits, Teller
from oms.simulators.nuonuo import NuonuoPeer
from oms.simulators.qimen import QimenPeer
from oms.simulators.sf import SfPeer
from oms.simulators.waybills import WaybillBook
from oms.simulators.wechat import WechatPeer
from payments.providers.sandbox import PAYS_AFTER_SECONDS, REFUNDS_AFTER_SECONDS


class Command(BaseCommand):
    """Answers, and lets buyers pay and banks give back after plausible times, until it is stopped."""

    help = (
        "Run pretended payment providers, carrier platforms and a warehouse; their pages show all that they know."
        " `manage.py up` starts them by itself."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=int, default=9000)

    def handle(self, *, host: str, port: int, **_: object) -> None:
        """Serve until a signal comes."""
        address = f"http://{host}:{port}"
        logging.getLogger("httpx").setLevel(logging.WARNING)  # a line a notification is for nobody
        folder = keys_path(Path(settings.DATA_DIR)).parent
        known = keys.kept(keys_path(Path(settings.DATA_DIR)))
        at_alipay = AlipayPeer(known.alipay, f"{address}/alipay", Book(folder / "alipay.sqlite3"))
        at_wechat = WechatPeer(known.wechat, f"{address}/wechat", Book(folder / "wechat.sqlite3"))
        try:
            server = wsgi.server(host, port)
        except OSError as error:
            raise CommandError(f"Port {port} of {host} cannot be used: {error}") from error
        stop = Event()
        lives = [_live(at_alipay, alipay.PAUSES, stop), _live(at_wechat, wechat.PAUSES, stop)]
        bureau = Bureau(folder / "nuonuo.sqlite3")
        at_nuonuo = NuonuoPeer(known.nuonuo, f"{address}/nuonuo", bureau, speed=settings.TIME_SPEED)
        at_kdniao = KdniaoPeer(
            known.kdniao,
            book=WaybillBook(folder / "kdniao.sqlite3"),
            notify_url=_callback(KDNIAO),
            speed=settings.TIME_SPEED,
        )
        at_warehouse = QimenPeer(
            known.qimen,
            book=Depot(folder / "qimen.sqlite3"),
            notify_url=_callback(QIMEN),
            speed=settings.TIME_SPEED,
        )
        carriers = _carriers(known, folder)
        for peer in (at_kdniao, *carriers.values(), at_warehouse):
            lives.append(Thread(target=peer.live, args=(stop,), daemon=True))
            lives[-1].start()
        peers: dict[str, wsgi.Peer] = {
            "alipay": at_alipay,
            "wechat": at_wechat,
            "nuonuo": at_nuonuo,
            "kdniao": at_kdniao,
            "qimen": at_warehouse,
            **carriers,
        }
        server.set_app(wsgi.application(peers))
        self.stdout.write(f"Pretended payment providers: {address}/")
        try:
            server.serve_forever()
        except (KeyboardInterrupt, SystemExit):
            pass
        finally:
            stop.set()
            server.server_close()
            for life in lives:
                life.join()


def _carriers(known: keys.Keys, folder: Path) -> dict[str, CarrierPeer | Kuaidi100Peer]:
    """The carriers with platforms of their own, and who follows parcels, by the first part of their addresses."""
    speed = settings.TIME_SPEED
    return {
        "kuaidi100": Kuaidi100Peer(known.kuaidi100, book=WaybillBook(folder / "kuaidi100.sqlite3"), speed=speed),
        "sf": SfPeer(known.sf, book=WaybillBook(folder / "sf.sqlite3"), notify_url=_callback(SF), speed=speed),
        "jdl": JdlPeer(known.jdl, book=WaybillBook(folder / "jdl.sqlite3"), notify_url=_callback(JDL), speed=speed),
        "cainiao": CainiaoPeer(known.cainiao, book=WaybillBook(folder / "cainiao.sqlite3"), speed=speed),
    }


def _callback(code: str) -> str:
    """Where a connection's messages go; nowhere on a site that does not know its own address."""
    return f"{settings.PUBLIC_URL}/callbacks/{code}/" if settings.PUBLIC_URL else ""


def _live(peer: Teller, pauses: tuple[int, ...], stop: Event) -> Thread:
    """A thread that is the peer's buyers, bank and messenger. What was not heard is told again in real time: the site
    may be starting."""
    speed = settings.TIME_SPEED
    habits = Habits(PAYS_AFTER_SECONDS / speed, REFUNDS_AFTER_SECONDS / speed, pauses)
    thread = Thread(target=notifying.live, args=(peer, habits, stop), daemon=True)
    thread.start()
    return thread
