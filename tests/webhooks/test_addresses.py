"""Nothing is ever sent to an address inside: not when saved, not when the name's address changes, not by a redirect."""

import asyncio
import socket

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from oms.merchants.models import WebhookDelivery
from oms.merchants.webhooks import addresses, endpoints
from tests.webhooks.conftest import send, subscribe
from tests.webhooks.receiver import receiver, says
from tests.webhooks.test_sending import tell

PRIVATE = [
    *("127.0.0.1", "127.8.9.1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),  # noqa: S104
    *("224.0.0.1", "239.1.2.3", "255.255.255.255", "240.0.0.1", "198.18.0.1", "192.0.2.1", "203.0.113.9", "192.0.0.8"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1", "2001:db8::1", "fec0::1"),
    *("::ffff:127.0.0.1", "::ffff:10.1.2.3", "::ffff:a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
    *("64:ff9b:1::1", "2002:7f00:1::", "2002:c0a8:101::1", "::127.0.0.1", "2001:0:4136:e378::1"),
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "114.114.114.114", "2606:4700:4700::1111", "2400:3200::1", "::ffff:8.8.8.8"]


@pytest.fixture
def strict(settings):
    """As in production, but without TLS, so that a receiver of the tests would answer."""
    settings.WEBHOOKS_ALLOW_PRIVATE_ADDRESSES = False


@pytest.fixture
def names(monkeypatch):
    """A resolver whose answers the test sets: `names["shop.example"] = [first answer, second answer, …]`."""
    known: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def resolve(host, port, *args, **options):
        name = host.decode() if isinstance(host, bytes) else host
        if name in known:
            answers = known[name]
            found = answers.pop(0) if len(answers) > 1 else answers[0]
            return [
                (socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port))
                for ip in found
            ]
        return real(host, port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_inside_are_not_public(address):
    assert not addresses.is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_outside_are_public(address):
    assert addresses.is_public(address)


@given(st.ip_addresses(v=4))
def test_however_ipv6_wraps_an_address_up_the_judgement_is_the_same(address):
    number = int(address)
    wrapped = [f"::ffff:{address}", f"64:ff9b::{number >> 16:x}:{number & 0xFFFF:x}"]
    wrapped.append(f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1")
    assert {addresses.is_public(text) for text in wrapped} == {addresses.is_public(str(address))}


@pytest.mark.parametrize(
    "url",
    [
        *("http://shop.example/", "ftp://shop.example/", "shop.example", "https://", "", "https:///path"),
        *("https://user:secret@shop.example/", "https://shop.example/#part", "https://shop.example:22/"),
        *("https://localhost/", "https://127.0.0.1/", "https://2130706433/", "https://0x7f.1/", "https://127.1/"),
        *("https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[fe80::1%25eth0]/", "https://169.254.169.254/meta"),
        *("https://inside.example/", "https://mixed.example/", "https://no-such-name.invalid/", "https://a b/"),
        *("https://shop.example:0/", "https://shop.example:99999/", "https://" + "a" * 70 + ".example/", "https://\0/"),
    ],
)
def test_bad_addresses_are_refused_when_saved(strict, settings, names, url):
    settings.WEBHOOKS_ALLOW_HTTP = False
    names["shop.example"] = [["8.8.8.8"]]
    names["inside.example"] = [["10.0.0.7"]]
    names["mixed.example"] = [["8.8.8.8", "10.0.0.7"]]

    with pytest.raises(addresses.BadAddress) as refusal:
        addresses.check_url(url)

    assert refusal.value.attr == "url"


def test_a_good_address_may_be_saved(strict, settings, names):
    settings.WEBHOOKS_ALLOW_HTTP = False
    names["shop.example"] = [["8.8.8.8", "2606:4700:4700::1111"]]
    for url in ("https://shop.example/hooks?shop=1", "https://shop.example:8443/", "https://8.8.8.8/"):
        addresses.check_url(url)


def in_every_language(text):
    """What the text may be: the sender's threads speak the site's language, where its catalogue is compiled."""
    found = set()
    for language in ("en", "zh-hans"):
        with translation.override(language):
            found.add(translation.gettext(text))
    return found


@pytest.mark.django_db
def test_a_name_that_leads_inside_after_it_was_saved_is_not_connected_to(strict, names, shop):
    with receiver() as inside:
        port = inside.url.rsplit(":", 1)[1]
        names["rebound.example"] = [["8.8.8.8"], ["127.0.0.1"]]
        subscribe(shop.merchant, f"http://rebound.example:{port}")
        tell(shop.merchant)
        send()

    assert inside.received == []
    delivery = WebhookDelivery.objects.get()
    assert delivery.state == "pending"
    assert delivery.last_error in in_every_language("The host is not known, or not one of the public internet.")
    assert "127.0.0.1" not in delivery.last_error


@pytest.mark.django_db
def test_a_redirect_leads_nowhere_inside(settings, shop):
    with receiver() as inside, receiver(says(307, Location=inside.url)) as outside:
        subscribe(shop.merchant, outside.url)
        tell(shop.merchant)
        send()

    assert len(outside.received) == 1
    assert inside.received == []


def test_it_connects_to_the_very_address_that_was_checked(names, monkeypatch):
    """The name is asked once for each connection: a second answer has no chance."""
    reached = []

    async def connect(self, host, *_args, **_options):
        reached.append(host)
        return object()

    monkeypatch.setattr("httpcore.AnyIOBackend.connect_tcp", connect)
    monkeypatch.setattr("django.conf.settings.WEBHOOKS_ALLOW_PRIVATE_ADDRESSES", False)
    names["shop.example"] = [["8.8.8.8"], ["127.0.0.1"]]

    asyncio.run(addresses.VettedBackend().connect_tcp("shop.example", 443))

    assert reached == ["8.8.8.8"]


@pytest.mark.django_db
def test_an_endpoint_whose_address_went_bad_cannot_be_enabled_again(settings, names, shop):
    names["shop.example"] = [["8.8.8.8"]]
    endpoint = subscribe(shop.merchant, "https://shop.example/")
    endpoints.disable(endpoint.pk, because="staff")
    names["shop.example"] = [["10.0.0.7"]]
    settings.WEBHOOKS_ALLOW_PRIVATE_ADDRESSES = False

    with pytest.raises(addresses.BadAddress):
        endpoints.enable(endpoint.pk)
