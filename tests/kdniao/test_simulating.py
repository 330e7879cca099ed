"""The pretended platform beside an installation: connected once, found again, and asked after the other carriers."""

import json

import pytest

from logistics.carriers.defaults import install_default_carriers
from logistics.models import Carrier
from oms.common.models import Connection
from oms.common.work import protocols
from oms.simulators import connecting, keys
from oms.simulators.keys import CainiaoKeys, JdlKeys, KdniaoKeys, Keys, NuonuoKeys, QimenKeys, SfKeys
from tests.kdniao import world
from tests.kdniao.world import Platform


@pytest.fixture
def known() -> Keys:
    """Keys; those of payment providers are never looked at."""
    none = keys.Pair("", "")
    alipay, wechat = keys.AlipayKeys("", "", none, none), keys.WechatKeys("", "", none, "", "", none, "")
    carriers = (
        *(world.KEYS, keys.make_kuaidi100()),
        *(SfKeys("", "", "", ""), JdlKeys("", "", "", "", ""), CainiaoKeys("", "")),
        QimenKeys("", "", ""),
    )
    return Keys(alipay, wechat, NuonuoKeys("", "", ""), *carriers)


def test_a_new_installation_carries_by_the_platform_last_and_finds_it_again_at_another_port(
    db: None, known: Keys, platform: Platform
) -> None:
    install_default_carriers()
    for address in ("http://127.0.0.1:1", platform.address):
        connecting.connect_carrier(known, address)

    assert list(Carrier.objects.order_by("priority").values_list("code", flat=True)) == [
        "SF",
        "JD",
        "ZTO",
        "YTO",
        "YUNDA",
    ]
    protocols_of = dict(Connection.objects.filter(code__endswith="-sim").values_list("code", "protocol"))
    assert protocols_of == {"kdniao-sim": "kdniao", "sf-sim": "sf", "jdl-sim": "jdl", "cainiao-sim": "cainiao"}
    link = Connection.objects.get(code=connecting.KDNIAO)
    assert Carrier.objects.get(code="YTO").connection == link
    protocols.speaker(link).test(link)


def test_a_file_of_keys_from_before_there_was_a_platform_gets_its_keys(tmp_path) -> None:
    path = tmp_path / "keys.json"
    keys.kept(path)
    before = json.loads(path.read_text())
    del before["kdniao"], before["kuaidi100"]
    path.write_text(json.dumps(before))

    made = keys.kept(path)

    assert isinstance(made.kdniao, KdniaoKeys)
    assert keys.kept(path) == made
