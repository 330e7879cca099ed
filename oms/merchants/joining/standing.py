"""Whether a merchant may go on: suspending and resuming it. Orders that it sent before go on as they would."""

from django.db import transaction
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from oms.merchants.models import Merchant, MerchantEvent


class NotPossible(OmsError):
    """The merchant is already so."""

    code = "merchant_already_so"


def suspend(merchant_id: int, *, reason: str, actor: str) -> None:
    """Let the merchant call the API no more. Raises NotPossible where it is suspended."""
    _set(merchant_id, Merchant.Status.SUSPENDED, MerchantEvent.Kind.SUSPENDED, reason, actor)


def resume(merchant_id: int, *, reason: str, actor: str) -> None:
    """Let the merchant call the API (again). Raises NotPossible where it is active."""
    _set(merchant_id, Merchant.Status.ACTIVE, MerchantEvent.Kind.RESUMED, reason, actor)


@transaction.atomic
def _set(merchant_id: int, status: str, kind: str, reason: str, actor: str) -> None:
    merchant = Merchant.objects.select_for_update().get(pk=merchant_id)
    if merchant.is_sandbox:
        raise NotPossible(_("A sandbox stands as its merchant does: suspend or resume that one."))
    if merchant.status == status:
        raise NotPossible(_("The merchant is %(status)s already.") % {"status": merchant.get_status_display()})
    merchant.status = status
    merchant.save(update_fields=["status"])
    Merchant.objects.filter(sandbox_of=merchant).update(status=status)
    MerchantEvent.objects.create(merchant=merchant, kind=kind, actor=actor, note=reason)
