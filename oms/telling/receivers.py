"""Who of a merchant is told: added, changed, switched and tried by the merchant itself."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urlparse

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common.door.api import check_version
from oms.common.errors import FieldError, OmsError, WrongFields
from oms.common.models import Connection, SystemKind
from oms.common.work import nudging
from oms.merchants.models import Means, Merchant, MerchantReceiver, MerchantTelling, NewsKind, Pace
from oms.telling import gathering

MOST = 20
MOST_MAILBOXES = 5
# A merchant names the key of its robot, never a host: what is called is one of these.
_HOSTS = {
    Means.DINGTALK: "https://oapi.dingtalk.com",
    Means.WECOM: "https://qyapi.weixin.qq.com",
    Means.FEISHU: "https://open.feishu.cn",
}
_KEY_OF = {Means.DINGTALK: "access_token", Means.WECOM: "key", Means.FEISHU: "hook"}
_KEY = re.compile(r"[0-9A-Za-z_-]{8,128}")


class TooManyReceivers(OmsError):
    """The merchant has as many as it may have."""

    code = "too_many_receivers"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A receiver as somebody wants it. `address` is mailboxes by commas, or a robot's address or key; empty when
    nothing of it is to change."""

    name: str
    means: str
    kinds: Sequence[str]
    every_minutes: int
    language: str
    address: str = ""
    secret: str = ""


@transaction.atomic
def add(merchant: Merchant, wanted: Wanted) -> MerchantReceiver:
    """Tell somebody from now on. Raises WrongFields and TooManyReceivers."""
    Merchant.objects.select_for_update(no_key=True).get(pk=merchant.pk)
    number = MerchantReceiver.objects.filter(merchant=merchant).count() + 1
    if number > MOST:
        text = _("A merchant has at most %(most)d receivers of news. Change one that is not used any more.")
        raise TooManyReceivers(text % {"most": MOST})
    _check(wanted, needs_address=wanted.means != Means.WEBHOOK)
    link = None
    if wanted.means != Means.WEBHOOK:
        link = Connection(code=f"news-{merchant.code.lower()[:16]}-{merchant.pk}-{number}", kind=SystemKind.ROBOT)
        _address(link, wanted)
        link.save()
    return MerchantReceiver.objects.create(
        merchant=merchant,
        name=wanted.name,
        means=wanted.means,
        kinds=list(dict.fromkeys(wanted.kinds)),
        every_minutes=wanted.every_minutes,
        language=wanted.language,
        connection=link,
    )


@transaction.atomic
def change(receiver_id: int, wanted: Wanted, *, version: int | None = None) -> None:
    """Change what is told, and where, if an address is given; the means stays. Raises WrongFields, ChangedMeanwhile."""
    row = _locked(receiver_id, version)
    wanted = replace(wanted, means=row.means)
    _check(wanted, needs_address=False)
    row.name, row.language = wanted.name, wanted.language
    row.kinds, row.every_minutes = list(dict.fromkeys(wanted.kinds)), wanted.every_minutes
    row.next_at = timezone.now()
    row.save()
    if row.connection_id and wanted.address.strip():
        link = Connection.objects.select_for_update(no_key=True).get(pk=row.connection_id)
        _address(link, wanted)
        # Another address owes nothing to the failures of the last one.
        link.failures, link.failing_since, link.paused_until, link.last_error = 0, None, None, ""
        link.save()
        _try_again(row)


@transaction.atomic
def switch(receiver_id: int, *, on: bool, version: int | None = None) -> None:
    """Tell it again from now on, or nothing more; what waits is dropped. Raises ChangedMeanwhile."""
    row = _locked(receiver_id, version)
    row.is_active = on
    if on:
        # By the database's clock, as what is found is dated.
        row.since = row.next_at = Now()
    row.save()
    MerchantTelling.objects.filter(receiver=row, sent_at=None).delete()


@transaction.atomic
def test(receiver_id: int) -> None:
    """Send it a test message, and what waits once more. Raises OmsError where it is switched off, or no endpoint
    listens."""
    row = _locked(receiver_id)
    if not row.is_active:
        raise OmsError(_("It is switched off. Switch it on first."))
    gathering.write_test(row)
    _try_again(row)
    nudging.nudge(gathering.NAME)


def _try_again(row: MerchantReceiver) -> None:
    waiting = MerchantTelling.objects.filter(receiver=row, sent_at=None, lease_until=None)
    waiting.exclude(connection=None).update(ready_at=timezone.now(), attempts=0, needs_person_since=None, last_error="")


def _locked(receiver_id: int, version: int | None = None) -> MerchantReceiver:
    row = MerchantReceiver.objects.select_for_update(no_key=True, of=("self",)).get(pk=receiver_id)
    if version is not None:
        check_version(row, version)
    return row


def _check(wanted: Wanted, *, needs_address: bool) -> None:
    errors = []
    if not wanted.name.strip():
        errors.append(FieldError("name", "required", _("Give it a name.")))
    if wanted.means not in Means.values:
        known = ", ".join(Means.values)
        errors.append(FieldError("means", "invalid", _("Give one of: %(known)s.") % {"known": known}))
    strange = set(wanted.kinds) - set(NewsKind.values)
    if strange or not wanted.kinds:
        errors.append(FieldError("kinds", "required", _("Choose at least one thing that is told.")))
    if wanted.every_minutes not in Pace.values:
        errors.append(FieldError("every_minutes", "invalid", _("Choose how often.")))
    if needs_address and not wanted.address.strip():
        errors.append(FieldError("address", "required", _("Give the mailboxes, or the address of the robot.")))
    if errors:
        raise WrongFields(errors)


def _address(link: Connection, wanted: Wanted) -> None:
    """Where the connection leads; it is saved by the caller. Raises WrongFields."""
    means = Means(wanted.means)
    link.protocol, link.name = means.value, wanted.name[:60]
    if means == Means.MAIL:
        boxes = [one for one in re.split(r"[\s,，;；]+", wanted.address) if one]
        if not 0 < len(boxes) <= MOST_MAILBOXES or not all(_is_mailbox(one) for one in boxes):
            text = _("Give up to %(most)d e-mail addresses, with commas between them.") % {"most": MOST_MAILBOXES}
            raise WrongFields([FieldError("address", "invalid", text)])
        link.options = {"to": boxes}
        return
    key = _key_of(means, wanted.address.strip())
    link.base_url = _HOSTS[means]
    secrets = {_KEY_OF[means]: key}
    if wanted.secret.strip() and means != Means.WECOM:
        secrets["secret"] = wanted.secret.strip()
    link.set_secrets(secrets)


def _is_mailbox(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True


def _key_of(means: Means, text: str) -> str:
    """The key of a robot, of its whole address or of the key alone. Raises WrongFields for another host or no key."""
    key = text
    if "/" in text:
        address = urlparse(text)
        if f"{address.scheme}://{address.netloc}" != _HOSTS[means]:
            said = _("The address of such a robot begins with %(host)s/.") % {"host": _HOSTS[means]}
            raise WrongFields([FieldError("address", "invalid", said)])
        in_query = parse_qs(address.query).get(_KEY_OF[means], [""])[0]
        key = address.path.rsplit("/", 1)[-1] if means == Means.FEISHU else in_query
    if not _KEY.fullmatch(key):
        said = _("Paste the whole address that the chat tool shows for the robot.")
        raise WrongFields([FieldError("address", "invalid", said)])
    return key
