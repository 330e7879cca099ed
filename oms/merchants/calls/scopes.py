"""What a credential may be allowed to do. Each operation of the API asks for one of these."""

from django.utils.translation import gettext_lazy as _

ORDERS_READ = "orders.read"
ORDERS_WRITE = "orders.write"
ORDERS_IMPORT = "orders.import"
INVENTORY_READ = "inventory.read"
INVENTORY_WRITE = "inventory.write"
RESERVATIONS_READ = "reservations.read"
RESERVATIONS_WRITE = "reservations.write"
SKUS_READ = "skus.read"
SKUS_WRITE = "skus.write"
SHIPMENTS_READ = "shipments.read"
SHIPMENTS_WRITE = "shipments.write"
PAYMENTS_READ = "payments.read"
REFUNDS_REQUEST = "refunds.request"
REFUNDS_CONFIRM = "refunds.confirm"
INVOICES_READ = "invoices.read"
INVOICES_REQUEST = "invoices.request"
BALANCES_READ = "balances.read"
BALANCES_ISSUE = "balances.issue"
SETTLEMENTS_READ = "settlements.read"
SETTLEMENTS_DISPUTE = "settlements.dispute"
WEBHOOKS_MANAGE = "webhooks.manage"
PLATFORM_READ = "platform.read"

LABELS = {
    ORDERS_READ: _("read orders and sub-orders"),
    ORDERS_WRITE: _("send, change and cancel orders"),
    ORDERS_IMPORT: _("import orders that ended elsewhere"),
    INVENTORY_READ: _("read stock"),
    INVENTORY_WRITE: _("change stock"),
    RESERVATIONS_READ: _("read reservations of carts and quotes"),
    RESERVATIONS_WRITE: _("reserve units for carts and quotes"),
    SKUS_READ: _("read SKUs"),
    SKUS_WRITE: _("change SKUs"),
    SHIPMENTS_READ: _("read shipments and tracking"),
    SHIPMENTS_WRITE: _("report shipping, deliver virtual goods, confirm receipt"),
    PAYMENTS_READ: _("read payments and amounts"),
    REFUNDS_REQUEST: _("ask for refunds and compensation"),
    REFUNDS_CONFIRM: _("confirm or refuse refunds of what the channel took itself"),
    INVOICES_READ: _("read and download invoices"),
    INVOICES_REQUEST: _("ask for invoices, read and download them"),
    BALANCES_READ: _("read gift cards and points"),
    BALANCES_ISSUE: _("issue gift cards and open points"),
    SETTLEMENTS_READ: _("read settlements and statements"),
    SETTLEMENTS_DISPUTE: _("dispute statements"),
    WEBHOOKS_MANAGE: _("manage webhook endpoints"),
    PLATFORM_READ: _("read what is all merchants', and nothing but read"),
}
# What programs of the platform's own may: only credentials of the self-operated merchant can have it, where staff gave
# it to them.
OF_PLATFORM = (PLATFORM_READ,)
# A credential with such a scope may have these besides, and no others.
READING = tuple(scope for scope in LABELS if scope.endswith(".read"))
# Whoever has the latter may do what the former says, too.
INCLUDED_IN = {INVOICES_READ: INVOICES_REQUEST}
ALL = tuple(scope for scope in LABELS if scope not in OF_PLATFORM)
