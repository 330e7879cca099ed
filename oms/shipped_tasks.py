"""How the tasks of the schedule are called."""

from django.utils.translation import gettext_lazy as _

from oms.common.work.schedule import TASKS

TASKS.add(
    {
        "sweep": _("Sweep over all stages"),
        "sign-of-life": _("Sign of life"),
        "tell-merchants": _("Gather news for merchants"),
        "webhook-notices": _("Tell merchants of disabled webhooks"),
        "purge-webhooks": _("Forget old webhooks"),
        "purge-jobs": _("Forget files of old jobs"),
        "forget-rejected-orders": _("Forget old refused rows"),
        "index-addresses": _("Make addresses searchable"),
        "forget-recipients": _("Forget people of old orders"),
        "close-statements": _("Close statements"),
        "reconcile": _("Fetch bills and compare"),
        "invoice-commissions": _("Invoice commissions"),
        "watch-calendar": _("Watch over the calendar"),
        "expire-stock": _("Take expired batches from sale"),
        "compare-stock": _("Compare stock with warehouses"),
        "ask-warehouses": _("Ask warehouses for late orders"),
        "gather-waves": _("Gather waves"),
        "plan-routes": _("Plan routes"),
        "watch-senders": _("Watch over senders without a phone"),
        "count-waybills": _("Count waybills left"),
        "learn-demand": _("Learn demand"),
        "promise-goods": _("Promise goods on order"),
        "tell-half-bundles": _("Tell of half bundles"),
        "learn-deadlines": _("Learn deadlines"),
        "watch-alert-lines": _("Watch over alert lines"),
        "wake-all-backorders": _("Try all backorders again"),
        "purge-api-records": _("Forget old records of API calls"),
        "check-invariants": _("Check invariants by night"),
        "watch-tasks": _("Watch over scheduled tasks"),
    }
)
