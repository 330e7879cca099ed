"""How the admin looks and what its menu offers."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _


def _viewing(model: str) -> str:
    """The permission that the menu asks for before it shows the model's list."""
    app, name = model.split(".")
    return f"{app}.view_{name}"


def _list(title: Any, icon: str, model: str) -> dict[str, Any]:
    """A menu entry that opens the list of `model`."""
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{model.replace('.', '_')}_changelist"),
        "permission": _viewing(model),
    }


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": _("Order management"),
    "SITE_HEADER": _("Order management"),
    "SITE_SYMBOL": "package_2",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("oms/icon.svg")},
    ],
    "SHOW_LANGUAGES": False,  # the switch is in the page's head, always in sight
    "SHOW_BACK_BUTTON": False,
    "SHOW_HISTORY": False,
    "DASHBOARD_CALLBACK": "oms.dashboard.add_figures",
    "STYLES": [lambda request: static("oms/staff.css"), lambda request: static("oms/desk.css")],
    "SCRIPTS": [
        lambda request: static("oms/staff.js"),
        lambda request: static("oms/desk.js"),
        lambda request: static("oms/drafts.js"),
        lambda request: static("oms/queue.js"),
        lambda request: static("oms/names.js"),
    ],
    "COLORS": {
        "primary": {
            "50": "#eff6ff",
            "100": "#dbeafe",
            "200": "#bfdbfe",
            "300": "#93c5fd",
            "400": "#60a5fa",
            "500": "#3b82f6",
            "600": "#2563eb",
            "700": "#1d4ed8",
            "800": "#1e40af",
            "900": "#1e3a8a",
            "950": "#172554",
        },
    },
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "show_all_applications": False,
        "navigation": [
            {
                "title": None,
                "items": [
                    {"title": _("Dashboard"), "icon": "dashboard", "link": reverse_lazy("admin:index")},
                    _list(_("Tickets"), "assignment_turned_in", "common.ticket"),
                ],
            },
            {
                "title": _("Orders"),
                "items": [
                    _list(_("Orders"), "receipt_long", "orders.order"),
                    _list(_("Sub-orders"), "call_split", "orders.suborder"),
                    _list(_("Holds"), "front_hand", "orders.hold"),
                    _list(_("Codes to match"), "question_mark", "orders.unmatchedcode"),
                    _list(_("SKU matches"), "join", "orders.skumatch"),
                    _list(_("Returns"), "assignment_return", "orders.returnrequest"),
                    _list(_("Parcels that nobody knows"), "unknown_document", "orders.strayparcel"),
                    _list(_("Pick-ups at the door"), "hail", "logistics.doorpickup"),
                    _list(_("Reasons of returns"), "contact_support", "orders.returnreason"),
                    _list(_("Rules of returns"), "assignment_late", "orders.returnrule"),
                    _list(_("Refused rows"), "assignment_late", "orders.rejectedorder"),
                    _list(_("Messages to buyers"), "forum", "orders.buyernotification"),
                    _list(_("Sent to buyers"), "outgoing_mail", "common.buyermessage"),
                    _list(_("Templates of messages"), "stylus_note", "common.messagetemplate"),
                    _list(_("Review rules"), "rule", "orders.reviewruleset"),
                    _list(_("Review decisions"), "fact_check", "orders.reviewdecision"),
                    _list(_("Review lists"), "list_alt", "orders.reviewlist"),
                    _list(_("Entries of review lists"), "block", "orders.reviewlistentry"),
                    _list(_("Gift rules"), "redeem", "orders.giftrule"),
                    _list(_("Gifts given"), "featured_seasonal_and_gifts", "orders.giftgrant"),
                ],
            },
            {
                "title": _("Logistics"),
                "items": [
                    _list(_("Late together"), "crisis_alert", "logistics.alertgroup"),
                    {
                        "title": _("Hours per step"),
                        "icon": "avg_pace",
                        "link": reverse_lazy("admin:hours"),
                        "permission": _viewing("orders.suborder"),
                    },
                    _list(_("Logistics alerts"), "notification_important", "logistics.logisticsalert"),
                    _list(_("Deadlines of steps"), "timer", "logistics.deadlinerule"),
                    _list(_("Shipping deadlines of channels"), "local_shipping", "logistics.shiprule"),
                    _list(_("Longer deadlines"), "more_time", "logistics.deadlinestretch"),
                    _list(_("Learned deadlines"), "model_training", "logistics.learneddeadline"),
                    _list(_("Receivers of alerts"), "campaign", "logistics.alertreceiver"),
                    _list(_("Messages on alerts"), "outgoing_mail", "logistics.alerttelling"),
                    _list(_("Shipments"), "local_shipping", "logistics.shipment"),
                    _list(_("Parcels asked back"), "pan_tool", "logistics.recall"),
                    _list(_("Carriers"), "airport_shuttle", "logistics.carrier"),
                    _list(_("Carriers' codes"), "translate", "logistics.carriercode"),
                    _list(_("Carriers' words"), "dictionary", "logistics.scanword"),
                    _list(_("Carriers' accounts"), "manage_accounts", "logistics.accountsettings"),
                    _list(_("Followed parcels"), "radar", "logistics.polling"),
                    _list(_("Questions about waybills"), "contact_support", "logistics.waybillerrand"),
                    _list(_("Waybills left"), "inventory", "logistics.waybillbalance"),
                    _list(_("Carrier rules"), "rule", "logistics.carrierrule"),
                    _list(_("Choices of carriers"), "alt_route", "logistics.carrierdecision"),
                    _list(_("Accounts with carriers"), "account_balance_wallet", "logistics.carrieraccount"),
                    _list(_("Users of carriers' accounts"), "group", "logistics.waybillshare"),
                    _list(_("Uses of carriers' accounts"), "receipt_long", "logistics.waybilluse"),
                    _list(_("Tracking events"), "location_on", "logistics.trackingevent"),
                    _list(_("Plans of routes"), "route", "logistics.routeplan"),
                    _list(_("Stations"), "store", "logistics.station"),
                    _list(_("Couriers"), "two_wheeler", "logistics.courier"),
                    _list(_("Vehicles"), "local_shipping", "logistics.vehicle"),
                    _list(_("Parcels of own couriers"), "package", "logistics.courierparcel"),
                    _list(_("Reports from the door"), "door_front", "logistics.doorreport"),
                    _list(_("Warehouse orders"), "forklift", "logistics.warehouseorder"),
                    _list(_("Claims on parcels"), "gavel", "logistics.parcelclaim"),
                    _list(_("Waves"), "waves", "logistics.wave"),
                    _list(_("Wave rules"), "rule_settings", "logistics.waverule"),
                    _list(_("Pick tasks"), "shelves", "logistics.picktask"),
                    _list(_("Printouts"), "print", "logistics.printout"),
                    _list(_("Virtual deliveries"), "key", "logistics.virtualdelivery"),
                    _list(_("Supplies of codes"), "confirmation_number", "logistics.virtualsupply"),
                    _list(_("Codes for sale"), "password", "logistics.virtualcode"),
                    _list(_("Imports of codes"), "upload", "logistics.codeimport"),
                ],
            },
            {
                "title": _("Finance"),
                "items": [
                    _list(_("Payments"), "payments", "payments.payment"),
                    _list(_("Refunds"), "undo", "payments.refund"),
                    _list(_("Bank transfers"), "account_balance_wallet", "payments.banktransfer"),
                    _list(_("Complaints and chargebacks"), "gavel", "payments.dispute"),
                    _list(_("Grants of refunds"), "approval", "payments.refundgrant"),
                    _list(_("Reasons of grants"), "format_list_bulleted", "payments.grantreason"),
                    _list(_("Limits of grants"), "speed", "payments.grantlimit"),
                    _list(_("Gift cards"), "redeem", "payments.giftcard"),
                    _list(_("Points"), "stars", "payments.pointsaccount"),
                    _list(_("Adjustments"), "tune", "payments.balanceadjustment"),
                    _list(_("Invoices"), "description", "payments.invoice"),
                    _list(_("Legal entities"), "business", "merchants.legalentity"),
                    _list(_("Settlements"), "receipt", "payments.settlementrow"),
                    _list(_("Statements"), "account_balance", "payments.statement"),
                    _list(_("Deposits of merchants"), "savings", "payments.deposit"),
                    _list(_("Movements of deposits"), "swap_horiz", "payments.depositmovement"),
                    _list(_("Service terms"), "warehouse", "payments.serviceterm"),
                    _list(_("Commission terms"), "percent", "payments.commissionterm"),
                    {
                        "title": _("Profit"),
                        "icon": "trending_up",
                        "link": reverse_lazy("admin:profit"),
                        "permission": "payments.view_profit",
                    },
                    _list(_("Ledger"), "menu_book", "payments.ledgerentry"),
                    {
                        "title": _("Trial balance"),
                        "icon": "balance",
                        "link": reverse_lazy("admin:payments_trial_balance"),
                        "permission": _viewing("payments.ledgerentry"),
                    },
                    _list(_("Accounts"), "account_tree", "payments.account"),
                    _list(_("Reconciliation"), "balance", "payments.billday"),
                    _list(_("Differences"), "difference", "payments.billmatch"),
                    _list(_("Bills"), "request_quote", "payments.bill"),
                    _list(_("Sources of bills"), "source", "payments.billsource"),
                ],
            },
            {
                "title": _("Inventory"),
                "items": [
                    _list(_("SKUs"), "sell", "inventory.sku"),
                    _list(_("Cost prices"), "paid", "inventory.skucost"),
                    _list(_("Stock"), "inventory_2", "inventory.stock"),
                    {
                        "title": _("Shortages by SKU"),
                        "icon": "production_quantity_limits",
                        "link": reverse_lazy("admin:orders_shortages"),
                        "permission": _viewing("orders.suborder"),
                    },
                    _list(_("Stock movements"), "swap_vert", "inventory.stockmovement"),
                    _list(_("Held for carts and quotes"), "shopping_cart", "inventory.stockhold"),
                    _list(_("Channels' shares"), "pie_chart", "inventory.channelshare"),
                    _list(_("Batches and qualities"), "category", "inventory.stocklot"),
                    _list(_("Movements of batches"), "swap_vert", "inventory.lotmovement"),
                    _list(_("Purchase orders"), "shopping_cart", "inventory.purchaseorder"),
                    _list(_("Alert lines"), "notifications_active", "inventory.replenishmentpolicy"),
                    _list(_("What to buy or move"), "add_shopping_cart", "inventory.replenishmentsuggestion"),
                    _list(_("Receipts of goods"), "move_to_inbox", "inventory.receipt"),
                    _list(_("Transfers"), "local_shipping", "inventory.transfer"),
                    _list(_("Stock counts"), "fact_check", "inventory.stockcount"),
                    _list(_("Stock comparisons"), "difference", "inventory.stockcomparison"),
                    _list(_("Stock adjustments"), "tune", "inventory.stockadjustment"),
                    _list(_("Warehouses"), "warehouse", "inventory.warehouse"),
                    _list(_("Goods of merchants in warehouses"), "store", "inventory.warehouseguest"),
                    _list(_("Sourcing rules"), "alt_route", "inventory.sourcingruleset"),
                    _list(_("Regions"), "map", "inventory.region"),
                ],
            },
            {
                "title": _("Promises"),
                "collapsible": True,
                "items": [
                    {
                        "title": _("Cut-offs and capacity today"),
                        "icon": "schedule",
                        "link": reverse_lazy("admin:inventory_capacity_today"),
                        "permission": _viewing("inventory.capacitybucket"),
                    },
                    {
                        "title": _("Coverage"),
                        "icon": "public",
                        "link": reverse_lazy("admin:inventory_coverage"),
                        "permission": _viewing("inventory.capacitybucket"),
                    },
                    {
                        "title": _("Hit rates"),
                        "icon": "target",
                        "link": reverse_lazy("admin:orders_promise_rates"),
                        "permission": _viewing("orders.deliverypromise"),
                    },
                    _list(_("Delivery promises"), "event_available", "orders.deliverypromise"),
                    _list(_("Service levels"), "speed", "inventory.servicelevel"),
                    _list(_("Cut-offs"), "timer", "inventory.cutoff"),
                    _list(_("Working hours"), "work_history", "inventory.workschedule"),
                    _list(_("Calendar"), "calendar_month", "inventory.calendarday"),
                    _list(_("Suspensions"), "event_busy", "inventory.suspension"),
                    _list(_("Lanes"), "route", "inventory.lane"),
                    _list(_("Remote areas"), "landscape", "inventory.remotearea"),
                    _list(_("Appointment slots"), "calendar_clock", "inventory.appointmentslot"),
                    _list(_("Capacity"), "event_seat", "inventory.capacitybucket"),
                    _list(_("Services of carriers"), "local_shipping", "inventory.carrierservice"),
                    _list(_("Freight rates"), "price_change", "inventory.freightrate"),
                    _list(_("Freight surcharges"), "add_card", "inventory.freightsurcharge"),
                ],
            },
            {
                "title": _("Administration"),
                "collapsible": True,
                "items": [
                    _list(_("Target times of tickets"), "timer", "common.tickettarget"),
                    _list(_("Merchants"), "storefront", "merchants.merchant"),
                    _list(_("Merchant applications"), "how_to_reg", "merchants.merchantapplication"),
                    _list(_("Merchant users"), "badge", "merchants.merchantuser"),
                    _list(_("Channels"), "hub", "merchants.channel"),
                    _list(_("Connections"), "cable", "common.connection"),
                    _list(_("Messages from outside"), "inbox", "common.inboundfact"),
                    _list(_("Refused messages"), "gpp_bad", "common.refusedmessage"),
                    _list(_("API credentials"), "vpn_key", "merchants.apicredential"),
                    _list(_("Webhook endpoints"), "webhook", "merchants.webhookendpoint"),
                    _list(_("Webhook deliveries"), "outbox", "merchants.webhookdelivery"),
                    {
                        "title": _("Background jobs"),
                        "icon": "pending_actions",
                        "link": reverse_lazy("admin:common_job_changelist"),
                    },
                    _list(_("What goes out"), "outgoing_mail", "common.outboundstop"),
                    _list(_("Scheduled tasks"), "schedule", "common.scheduledtask"),
                    _list(_("What must always hold"), "rule", "common.invariantcheck"),
                    _list(_("Users"), "person", "auth.user"),
                    _list(_("Roles"), "group", "auth.group"),
                    {
                        "title": _("Who may do what"),
                        "icon": "table_chart",
                        "link": reverse_lazy("admin:auth_group_matrix"),
                        "permission": "auth.view_group",
                    },
                    _list(_("Security log"), "security", "common.securityevent"),
                    _list(_("Failed log-ins"), "lock_person", "common.failedlogin"),
                ],
            },
        ],
    },
}


def _own(title: Any, icon: str, model: str, right: str = "") -> dict[str, Any]:
    """A menu entry of the merchants' pages, for roles that have the right."""
    link = reverse_lazy(f"merchant:{model.replace('.', '_')}_changelist")
    entry = {"title": title, "icon": icon, "link": link}
    return {**entry, "permission": f"portal.{right}"} if right else entry


# The merchants' pages: the same dress, a menu of their own, nothing of the staff's figures and searches.
MERCHANT_UNFOLD: dict[str, Any] = {
    **{name: value for name, value in UNFOLD.items() if name not in ("DASHBOARD_CALLBACK", "SIDEBAR")},
    "SITE_TITLE": _("Merchant centre"),
    "SITE_HEADER": _("Merchant centre"),
    "SITE_SYMBOL": "storefront",
    "SIDEBAR": {
        "show_search": False,
        "command_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "title": None,
                "items": [
                    {"title": _("Merchant centre"), "icon": "home", "link": reverse_lazy("merchant:index")},
                    _own(_("Orders to ship"), "local_shipping", "logistics.warehouseorder"),
                    _own(_("Orders"), "receipt_long", "orders.order"),
                    _own(_("Sub-orders to fulfil"), "call_split", "orders.suborder"),
                    _own(_("Refused rows"), "error", "orders.rejectedorder"),
                    _own(_("Returns"), "assignment_return", "orders.returnrequest"),
                    _own(_("Refunds asked for"), "volunteer_activism", "payments.refundgrant", "see_money"),
                    _own(_("Refunds"), "undo", "payments.refund", "see_money"),
                    _own(_("SKUs"), "sell", "inventory.sku"),
                    _own(_("Stock"), "inventory_2", "inventory.stock"),
                    _own(_("Held for carts and quotes"), "shopping_cart", "inventory.stockhold"),
                    _own(_("Alert lines"), "notifications_active", "inventory.replenishmentpolicy"),
                    _own(_("What to buy or move"), "add_shopping_cart", "inventory.replenishmentsuggestion"),
                    _own(_("Warehouses"), "warehouse", "inventory.warehouse"),
                    _own(_("Channels"), "hub", "merchants.channel"),
                    _own(_("Settlements"), "receipt", "payments.settlementrow", "see_money"),
                    _own(_("Statements"), "account_balance", "payments.statement", "see_money"),
                    _own(_("Invoices"), "request_quote", "payments.invoice", "see_money"),
                    _own(_("Deposit"), "savings", "payments.deposit", "see_money"),
                    _own(_("Imports"), "pending_actions", "common.job"),
                    _own(_("API credentials"), "vpn_key", "merchants.apicredential", "keys"),
                    _own(_("Refused calls"), "troubleshoot", "merchants.refusedcall", "keys"),
                    _own(_("Webhook endpoints"), "webhook", "merchants.webhookendpoint", "keys"),
                    _own(_("Webhook deliveries"), "outbox", "merchants.webhookdelivery", "keys"),
                    _own(_("Who is told"), "notifications", "merchants.merchantreceiver", "keys"),
                    _own(_("Colleagues"), "group", "merchants.merchantuser", "people"),
                ],
            },
        ],
    },
}
