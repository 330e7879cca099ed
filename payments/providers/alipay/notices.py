"""What Alipay posts to us: a form, signed over all of its fields."""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common import signatures
from oms.common.errors import OmsError
from oms.common.models import Connection, SystemKind
from oms.common.work.facts import News
from oms.common.work.protocols import Known, Message, NotGenuine, Reply, Unreadable, register
from oms.common.work.singly import Unclear
from payments.providers.alipay import certificates, facts, wire
from payments.providers.errors import NotSetUp, Refused

# Signed are all fields but these; some of Alipay's messages sign their type, too.
_UNSIGNED = (("sign", "sign_type"), ("sign",))


class AlipaySpeaker:
    """See `oms.common.work.protocols.Speaker`."""

    def verify(self, link: Connection, message: Message) -> None:
        """Raises NotGenuine unless Alipay signed the form, by SHA-256."""
        form = _form(message.body)
        if form.get("sign_type", wire.SIGN_TYPE) != wire.SIGN_TYPE:
            raise NotGenuine(_("Only signatures of type RSA2 are taken."))
        try:
            key = wire.key_of(link, wire.account(link), form.get("alipay_cert_sn", ""))
        except (NotSetUp, signatures.NoKey) as error:
            raise NotGenuine(_("The connection %(code)s has no keys.") % {"code": link.code}) from error
        if key is None:
            raise NotGenuine(_("The certificate with which the message was signed is not known."))
        given = form.get("sign", "")
        texts = (wire.signed_text(form, without, keep_empty=True) for without in _UNSIGNED)
        if not given or not any(signatures.is_signed(key, text, given) for text in texts):
            raise NotGenuine(_("The signature does not fit."))

    def read(self, link: Connection, body: str) -> Sequence[News]:
        """Raises Unreadable for a message about another app or seller, or of another kind."""
        form, us = _form(body), wire.account(link)
        if any("\0" in value for value in form.values()):
            raise Unreadable("The message has NUL characters.")
        _must_be_ours(form, "app_id", us.app_id)
        if form.get("msg_method") == "alipay.merchant.tradecomplain.changed":
            return [facts.complained(form)]
        _must_be_ours(form, "seller_id", us.seller_id)
        if form.get("notify_type") != "trade_status_sync":
            raise Unreadable(f"notify_type {form.get('notify_type', '')}")
        return [facts.told(form)]

    def accepted(self, link: Connection, message: Message) -> Reply:
        """The word that ends the repetitions."""
        return Reply("success", "text/plain")

    def refused(self, link: Connection, error: OmsError) -> Reply:
        """Anything else: it comes again."""
        return Reply("failure", "text/plain", status=400)

    def test(self, link: Connection) -> None:
        """Ask for a trade that nobody made: that there is none is a sign of life. Raises what went wrong."""
        try:
            wire.call(link, "alipay.trade.query", {"out_trade_no": "connection_test"})
        except Refused as refusal:
            if refusal.code != wire.NO_SUCH_TRADE:
                raise
        except Unclear as unclear:
            raise OmsError(str(unclear)) from unclear


def _must_be_ours(form: Mapping[str, str], name: str, ours: str) -> None:
    if form.get(name) != ours:
        raise Unreadable(f"{name} {form.get(name, '')} is not ours")


def _form(body: str) -> dict[str, str]:
    """The fields of the message, decoded once, empty ones too."""
    return dict(parse_qsl(body, keep_blank_values=True))


register(
    Known(
        "alipay",
        frozenset({SystemKind.PAYMENT}),
        gettext_lazy("Alipay"),
        AlipaySpeaker(),
        secrets=(*wire.SECRETS, *wire.KEY_SECRETS, *certificates.SECRETS),
    )
)
