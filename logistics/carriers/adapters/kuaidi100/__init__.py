"""kuaidi100 (快递100): tells where parcels are, of whatever carrier; it sells no waybills here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from logistics.carriers import codes, words
from logistics.carriers.adapters import Answer, Booked, Candidate, CannotDecode, Parcel, Receiver
from logistics.carriers.adapters.kuaidi100 import setup, traces, wire
from logistics.carriers.adapters.kuaidi100.setup import NotSetUp, Setup
from oms.common.models import Connection
from oms.common.work.facts import News
from oms.common.work.protocols import Unreadable
from oms.common.work.singly import Unclear, one_by_one

PROTOCOL = "kuaidi100"


class Kuaidi100:
    """See `logistics.carriers.adapters`: it is asked for scans, takes subscriptions and recognises waybills."""

    def book(self, link: Connection, parcels: Sequence[Parcel]) -> Mapping[str, Answer]:
        """Refused, so that the next carrier is asked: a carrier names this account as what follows its parcels only."""
        return {parcel.reference: Answer(taken=False, reason="kuaidi100 sells no waybills") for parcel in parcels}

    def decode_receiver(self, link: Connection, token: str) -> Receiver:
        """kuaidi100 knows no platform's tokens. Raises CannotDecode."""
        raise CannotDecode("kuaidi100 decodes no receivers")

    def query(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Sequence[News]]:
        """Ask where parcels are, one by one."""
        tables = words.tables()
        ours, known = tables.ours(PROTOCOL), tables.of(PROTOCOL)

        def ask(one: Booked, com: str, mine: Setup) -> Sequence[News]:
            param = {"com": com, "num": one.waybill, "resultv2": mine.options.resultv2, "show": "0", "order": "desc"}
            said = wire.query(link, mine, {**param, "phone": one.phone_tail} if one.phone_tail else param)
            if not isinstance(said, dict):
                raise Unclear("kuaidi100 answered no object")
            if str(said.get("status")) != "200":
                if str(said.get("returnCode")) in mine.options.no_record:
                    return ()
                raise wire.unclear(said)
            try:
                found = traces.answered(said)
                if found.nu != one.waybill:
                    raise Unclear(f"kuaidi100 told of {found.nu} instead of {one.waybill}")
                return list(traces.news_of(found, ours, known))
            except (msgspec.ValidationError, Unreadable) as error:
                raise Unclear(str(error)) from error

        return _each(link, parcels, ask)

    def subscribe(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Answer]:
        """Ask to be told of parcels. Raises NotSetUp where the site has no address that is known outside."""
        if not setup.of(link).callback_url:
            raise NotSetUp(f"The connection {link.code} does not know where it is pushed to: set OMS_PUBLIC_URL.")

        def ask(one: Booked, com: str, mine: Setup) -> Answer:
            parameters = {
                "callbackurl": mine.callback_url,
                "salt": mine.salt,
                "resultv2": mine.options.resultv2,
                "autoCom": "0",
                "interCom": "0",
                **({"phone": one.phone_tail} if one.phone_tail else {}),
            }
            said = wire.subscribe(link, mine, {"company": com, "number": one.waybill, "parameters": parameters})
            return _plain(said, mine)

        return _each(link, parcels, ask)

    def tells_of_its_own(self, link: Connection) -> bool:
        """It sold none."""
        return False

    def recognise(self, link: Connection, waybill: str) -> Sequence[Candidate]:
        """The carriers that a waybill may be of. Raises Unclear, httpx.HTTPError or NotSetUp."""
        said = wire.recognise(link, setup.of(link), waybill)
        if not isinstance(said, list):
            raise wire.unclear(said) if isinstance(said, dict) else Unclear("kuaidi100 answered no list")
        ours = codes.ours(PROTOCOL)
        found = [str(one["comCode"]) for one in said if isinstance(one, dict) and one.get("comCode")]
        return [Candidate(ours.get(code, code), "") for code in found]


def _each(link: Connection, parcels: Sequence[Booked], ask: Callable[[Booked, str, Setup], Any]) -> dict[str, Any]:
    mine, theirs = setup.of(link), codes.theirs(PROTOCOL)
    return one_by_one(parcels, lambda one: ask(one, theirs.get(one.carrier, one.carrier.lower()), mine))


def _plain(said: Any, mine: Setup) -> Answer:
    """Done, or refused for a reason that asking again does not change. Raises Unclear for all else."""
    if not isinstance(said, dict):
        raise Unclear("kuaidi100 answered no object")
    code = str(said.get("returnCode"))
    if code == "200" or code in mine.options.repeated:
        return Answer(taken=True)
    if code in mine.options.refusals:
        return Answer(taken=False, reason=f"{code} {said.get('message') or ''}"[:300])
    raise wire.unclear(said)


CARRIER = Kuaidi100()
