"""Alipay's certificate mode: its numbers, its answers and notices, and a certificate that changes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from oms.common.models import Connection
from oms.common.work.singly import Unclear
from oms.simulators import certificates as peers_own
from oms.simulators import keys
from payments.models import Payment
from payments.providers import Charge, Question, Standing
from payments.providers.alipay import certificates
from payments.providers.alipay.adapter import Alipay
from payments.taking import noticing, requesting
from tests import factories
from tests.providers import peers
from tests.providers.peers import Peers
from tests.providers.test_vectors import KEYS, VECTORS

CHARGE = Charge("1364935748662587-P1", Decimal("26.00"), order="1364935748662587")
QUESTION = Question(CHARGE.reference)


@pytest.fixture(scope="module")
def authority() -> peers_own.Authority:
    """Who vouches for both sides."""
    return peers_own.Authority()


@pytest.fixture
def link(db: None, both: Peers, settings, authority: peers_own.Authority) -> Iterator[Connection]:
    """A connection to Alipay's peer in certificate mode."""
    settings.PUBLIC_URL = peers.SITE
    both.alipay.certified = peers_own.certify(both.alipay.keys, authority)
    yield peers.connect_alipay(both)
    certificates.forget()


def test_the_numbers_of_certificates_are_those_of_the_vector() -> None:
    vector = VECTORS["alipay_certificate_sn"]
    (app,) = certificates.read(KEYS["alipay_app_certificate"])
    (root,) = certificates.read(KEYS["alipay_root_certificate"].replace("\n", " "))

    assert str(app.serial_number) == vector["app_serial_decimal"]
    assert certificates.number(app) == vector["app_cert_sn"]
    assert certificates.number(root) == vector["alipay_root_cert_sn"]


def test_a_payment_is_asked_for_told_and_found_in_certificate_mode(
    shop: factories.Shop, link: Connection, both: Peers
) -> None:
    order = shop.place_order()
    factories.run(requesting.intend, requesting.request)
    both.alipay.book.pay(f"{order.number}_P1")

    assert peers.tell(both.alipay) == (200, "success")
    factories.run(noticing.run)
    assert Payment.objects.get(order=order).captured_amount == 26
    assert Alipay().find_payment(Question(f"{order.number}-P1"), link).standing == Standing.DONE
    assert both.alipay.certificates_asked == 0


def test_a_new_certificate_of_alipays_is_asked_for_once(link: Connection, both: Peers) -> None:
    assert both.alipay.certified
    both.alipay.certified.renew()
    Alipay().request([CHARGE], link)
    both.alipay.book.pay(CHARGE.reference.replace("-", "_"))

    assert Alipay().find_payment(QUESTION, link).standing == Standing.DONE
    assert peers.tell(both.alipay) == (200, "success")
    assert both.alipay.certificates_asked == 1


def test_a_certificate_that_another_authority_issued_does_not_count(link: Connection, both: Peers) -> None:
    assert both.alipay.certified
    both.alipay.certified.renew(peers_own.Authority())

    with pytest.raises(Unclear):
        Alipay().request([CHARGE], link)
    with pytest.raises(Unclear):
        Alipay().find_payment(QUESTION, link)
    # Who makes certificates up makes us ask no more often than once a minute.
    assert both.alipay.certificates_asked == 1


def test_what_our_own_certificate_vouches_for_does_not_count(link: Connection, both: Peers) -> None:
    """The merchant's certificate comes from the same root, so its key could sign another one."""
    certified = both.alipay.certified
    assert certified
    merchant = peers_own.Authority(both.alipay.keys.app)
    merchant.root = certified.app
    certified.renew(merchant)

    with pytest.raises(Unclear):
        Alipay().find_payment(QUESTION, link)


def test_a_certificate_that_is_over_does_not_count(link: Connection, both: Peers) -> None:
    certified = both.alipay.certified
    assert certified
    certified.pair = keys.pair()
    eleven_years_ago = datetime.now(UTC) - timedelta(days=4015)
    certified.own = certified.authority.issue(certified.pair, since=eleven_years_ago)

    with pytest.raises(Unclear):
        Alipay().find_payment(QUESTION, link)
