"""The connections that are always there: the provider that buyers pay through, and what people record themselves."""

from django.conf import settings

from oms.common.models import Connection, SystemKind
from oms.merchants import sandboxes

# The protocol of what is recorded here by hand: no module speaks it, so nobody is ever called.
BY_HAND = "by_hand"


def default_connection() -> Connection:
    """The connection over which buyers are asked for money: one that is switched on, the oldest of them.

    Where there is none at all, one is made that speaks `settings.PAYMENT_ADAPTER`.
    """
    known = (
        Connection.objects.filter(kind=SystemKind.PAYMENT).exclude(protocol=BY_HAND).exclude(code=sandboxes.PAYMENTS)
    )
    return known.order_by("-is_active", "pk").first() or _make(
        f"{settings.PAYMENT_ADAPTER}-pay", settings.PAYMENT_ADAPTER
    )


def connections_of_new_orders() -> list[int]:
    """The connections (ids) over which new orders are paid, in turn: the default one, and where its options say
    `in_turn`, every other one that is switched on and says so."""
    default = default_connection()
    if not default.options.get("in_turn"):
        return [default.pk]
    others = Connection.objects.filter(kind=SystemKind.PAYMENT, is_active=True, options__in_turn=True)
    others = others.exclude(code=sandboxes.PAYMENTS)
    return sorted({default.pk, *others.values_list("pk", flat=True)})


def connection_of(order: str, usual: str) -> str:
    """SQL of the connection (id) over which the order of that alias is paid: that of sandboxes, or the `usual` one."""
    return f"""CASE WHEN {order}.channel_id IN {sandboxes.CHANNELS}
        THEN (SELECT id FROM common_connection WHERE code = '{sandboxes.PAYMENTS}') ELSE {usual} END"""


def by_hand() -> Connection:
    """Whose facts those are that people record: money that a merchant took, refunds that were paid by hand."""
    return Connection.objects.filter(kind=SystemKind.PAYMENT, protocol=BY_HAND).first() or _make("by-hand", BY_HAND)


def install_default_connections() -> None:
    """Give a new installation its connections for payments; does nothing where they are."""
    default_connection()
    by_hand()


def _make(code: str, protocol: str) -> Connection:
    # Without a name of its own: that would be in the language of whoever came first.
    values = {"kind": SystemKind.PAYMENT, "protocol": protocol}
    link, _is_new = Connection.objects.get_or_create(code=code, defaults=values)
    return link
