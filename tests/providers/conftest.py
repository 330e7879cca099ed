"""Pretended providers to test against: real HTTP on free ports of this machine, with keys of their own."""

from collections.abc import Iterator

import pytest

from oms.common.models import Connection
from oms.simulators import keys
from payments.providers.wechat import keys as wechats_keys
from tests.providers import peers
from tests.providers.peers import Peers


@pytest.fixture(scope="session")
def known() -> keys.Keys:
    """Keys of both sides, made once."""
    return keys.make()


@pytest.fixture
def both(known: keys.Keys) -> Iterator[Peers]:
    """Alipay's and WeChat's peers, without a site that is registered with them."""
    with peers.serving(known) as serving:
        yield serving


@pytest.fixture
def alipay(db: None, both: Peers, settings) -> Connection:
    """A connection to Alipay's peer; the provider that buyers pay through."""
    settings.PUBLIC_URL = peers.SITE
    return peers.connect_alipay(both)


@pytest.fixture
def wechat(db: None, both: Peers, settings) -> Iterator[Connection]:
    """A connection to WeChat's peer, by its public key; the provider that buyers pay through."""
    settings.PUBLIC_URL = peers.SITE
    yield peers.connect_wechat(both)
    wechats_keys.forget()
