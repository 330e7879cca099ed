"""The roles that the program comes with (operations-defaults §8), as names of rights.

A role may see what its work needs and do what it is asked for; whoever decides on money does not send it. Limits of
amounts are rows (`payments/granting/limits.py`). How an update changes them: `oms.common.access.roles`.
"""

from django.utils.translation import gettext_lazy as _

from oms.common.access.roles import ALL, ALL_VIEWS, NAMES, ShippedRole

NAMES.add(
    {
        "administrator": _("Administrator"),
        "customer_service": _("Customer service"),
        "customer_service_lead": _("Supervisor of customer service"),
        "reviewer": _("Order reviewer"),
        "warehouse": _("Warehouse"),
        "logistics": _("Logistics"),
        "after_sales": _("After-sales"),
        "finance": _("Finance clerk"),
        "finance_lead": _("Supervisor of finance"),
        "operations": _("Operations"),
        "operator": _("System operator"),
        "merchant_manager": _("Merchant manager"),
        "auditor": _("Auditor"),
    }
)


def _view(app: str, *models: str) -> tuple[str, ...]:
    return tuple(f"{app}.view_{model}" for model in models)


def _edit(app: str, *models: str) -> tuple[str, ...]:
    return tuple(f"{app}.{verb}_{model}" for model in models for verb in ("view", "add", "change", "delete"))


_TICKETS = ("common.view_ticket", "common.work_ticket", "common.open_ticket")
_ORDERS = (
    *_view("orders", "order", "suborder", "hold", "deliverypromise", "returnrequest", "cancelreason"),
    *_view("logistics", "shipment", "trackingevent", "warehouseorder", "logisticsalert", "recall"),
    *_view("inventory", "sku", "stock"),
)
_GOODS = _view(
    "inventory",
    *("sku", "stock", "stockmovement", "stocklot", "lotmovement", "warehouse", "warehouseguest", "receipt", "transfer"),
    *("purchaseorder", "stockcount", "stockcomparison", "stockadjustment", "stockhold"),
)
_MONEY = (
    *_view("payments", "payment", "refund", "refundgrant", "banktransfer", "dispute", "invoice", "giftcard"),
    *_view("payments", "pointsaccount", "balanceadjustment", "settlementrow", "statement", "deposit"),
    *_view("payments", "depositmovement", "serviceterm", "commissionterm", "ledgerentry", "account", "grantreason"),
    *_view("payments", "bill", "billday", "billmatch", "billrow", "billsource", "grantlimit"),
    *_view("merchants", "legalentity", "merchant", "channel"),
    *("inventory.view_skucost", "payments.view_profit"),
)

_CUSTOMER_SERVICE = (
    *_TICKETS,
    *_ORDERS,
    *_view("orders", "buyernotification", "strayparcel"),
    *_view("common", "buyermessage"),
    *_view("logistics", "alertgroup", "doorpickup"),
    *_view("payments", "payment", "refund", "refundgrant", "invoice"),
    *("orders.hold_order", "orders.cancel_order", "orders.note_order", "orders.readdress_order", "orders.mark_order"),
    *("orders.enter_order", "orders.work_return", "orders.message_buyer", "orders.view_personal_data"),
    "orders.confirm_changeset",
    *("payments.grant_refund", "logistics.ask_recall", "logistics.urge_alertgroup", "payments.mail_invoice"),
)
_LEAD = (
    *_CUSTOMER_SERVICE,
    *("common.assign_ticket", "common.retry_stuck", "common.view_securityevent", "common.view_job"),
    *("orders.merge_suborder", "orders.move_suborder", "orders.reissue_order", "orders.approve_level_1"),
    "orders.price_changeset",
    *("orders.export_orders", "logistics.reveal_virtualdelivery", "logistics.take_back_virtualdelivery"),
    *("logistics.view_virtualdelivery", "payments.view_giftcard", "payments.adjust_giftcard"),
    *("payments.view_pointsaccount", "payments.adjust_pointsaccount", "payments.view_balanceadjustment"),
    *_edit("common", "messagetemplate", "tickettarget"),
)
_FINANCE = (
    *_TICKETS,
    *_ORDERS,
    *_MONEY,
    *("payments.grant_refund", "payments.enter_banktransfer", "payments.upload_bill", "payments.tie_billmatch"),
    *("payments.note_billmatch", "payments.accept_fee_billmatch", "payments.issue_invoice", "payments.mail_invoice"),
    *("payments.download_invoice", "payments.resend_invoice", "payments.retitle_invoice", "payments.export_money"),
    *("payments.enter_dispute", "payments.close_statement", "payments.retry_payment", "payments.answer_statement"),
    *("orders.review_as_finance", "orders.view_personal_data"),
)

SHIPPED = (
    ShippedRole("administrator", (ALL,), needs_second_factor=True),
    ShippedRole("customer_service", _CUSTOMER_SERVICE, "orders_order_changelist"),
    ShippedRole("customer_service_lead", _LEAD, "common_ticket_changelist"),
    ShippedRole(
        "reviewer",
        (
            *_TICKETS,
            *_ORDERS,
            *_view("orders", "reviewdecision", "reviewlist", "reviewlistentry", "reviewrule", "reviewruleset"),
            *_view("orders", "giftgrant"),
            *_view("orders", "rejectedorder", "unmatchedcode", "skumatch"),
            *_edit("orders", "reviewlistentry"),
            *("orders.hold_order", "orders.cancel_order", "orders.note_order", "orders.mark_order"),
            *("orders.readdress_order", "orders.merge_suborder", "orders.approve_level_1", "orders.match_skus"),
            *("orders.replay_rejectedorder", "orders.rehearse_reviewrule", "orders.view_personal_data"),
        ),
        "orders_hold_changelist",
    ),
    ShippedRole(
        "warehouse",
        (
            *_TICKETS,
            *_GOODS,
            *_view("orders", "suborder", "returnrequest", "strayparcel"),
            *_view("logistics", "warehouseorder", "shipment", "wave", "waverule", "picktask", "printout"),
            *("logistics.check_picktask", "logistics.gather_wave", "logistics.print_labels", "logistics.print_lists"),
            *("orders.inspect_return", "inventory.ship_transfer", "inventory.receive_transfer"),
            *("inventory.add_receipt", "inventory.add_stockcount"),
        ),
        "logistics_picktask_changelist",
    ),
    ShippedRole(
        "logistics",
        (
            *_TICKETS,
            *_ORDERS,
            *_view("logistics", "alertgroup", "alerttelling", "learneddeadline", "polling", "waybillerrand"),
            *_view("logistics", "waybillbalance", "waybilluse", "carrierdecision", "courierparcel", "doorreport"),
            *_view("logistics", "routeplan", "printout", "wave", "picktask", "carrier", "carriercode", "scanword"),
            *_view("logistics", "accountsettings", "doorpickup"),
            *_edit("logistics", "carrierrule", "deadlinerule", "deadlinestretch", "shiprule", "station", "courier"),
            *_edit("logistics", "vehicle", "parcelclaim", "alertreceiver", "carrieraccount", "waybillshare"),
            *("logistics.change_carrier", "logistics.change_logisticsalert", "logistics.urge_alertgroup"),
            *("logistics.switch_carrier", "logistics.void_waybill", "logistics.ask_recall"),
            *("logistics.retry_warehouseorder", "logistics.work_parcelclaim", "logistics.plan_routes"),
            "logistics.scan_courierparcel",
            *("logistics.give_courier_link", "logistics.print_labels", "logistics.print_lists"),
            *("orders.move_suborder", "orders.note_order", "orders.view_personal_data", "common.retry_stuck"),
        ),
        "logistics_alertgroup_changelist",
    ),
    ShippedRole(
        "after_sales",
        (
            *_TICKETS,
            *_ORDERS,
            *_view("orders", "returnreason", "returnrule", "buyernotification", "strayparcel"),
            *_view("logistics", "doorpickup"),
            *_view("payments", "payment", "refund", "refundgrant", "invoice"),
            *("orders.work_return", "orders.inspect_return", "orders.note_order", "orders.reissue_order"),
            *("payments.grant_refund", "logistics.ask_recall", "orders.message_buyer", "orders.view_personal_data"),
            *("logistics.view_parcelclaim", "logistics.work_parcelclaim"),
        ),
        "orders_returnrequest_changelist",
    ),
    ShippedRole("finance", _FINANCE, "payments_billday_changelist"),
    ShippedRole(
        "finance_lead",
        (
            *_FINANCE,
            *("payments.send_refund", "payments.pay_out_refund", "payments.return_payment", "payments.red_invoice"),
            *("payments.approve_banktransfer", "payments.approve_statement", "payments.pay_statement"),
            *("payments.correct_settlement", "payments.write_off_billmatch", "payments.decide_dispute"),
            *("payments.move_deposit", "payments.fine_merchant", "payments.decide_deposit"),
            *("payments.issue_giftcard", "payments.block_giftcard", "payments.adjust_giftcard"),
            "orders.write_off_exchange",
            *("payments.adjust_pointsaccount", "common.assign_ticket", "common.view_securityevent"),
            *_edit("payments", "grantreason", "grantlimit", "serviceterm", "commissionterm", "billsource"),
            *_edit("merchants", "legalentity"),
            "inventory.add_skucost",
        ),
        "common_ticket_changelist",
        needs_second_factor=True,
    ),
    ShippedRole(
        "operations",
        (
            *_TICKETS,
            *_ORDERS,
            *_GOODS,
            *_view("inventory", "region", "channelshare", "replenishmentsuggestion"),
            *_view("orders", "giftgrant", "reviewdecision", "unmatchedcode", "rejectedorder"),
            *_view("merchants", "merchant", "channel"),
            *_view(
                "logistics", "alertgroup", "carrier", "carrierdecision", "virtualsupply", "virtualcode", "codeimport"
            ),
            *("logistics.import_codes", "logistics.withdraw_codes", "logistics.set_virtualsupply"),
            *_edit("orders", "reviewrule", "reviewruleset", "reviewlist", "reviewlistentry", "giftrule", "skumatch"),
            *_edit("orders", "cancelreason", "returnreason", "returnrule"),
            *_edit("inventory", "sourcingruleset", "channelshare", "replenishmentpolicy", "servicelevel", "cutoff"),
            *_edit("inventory", "workschedule", "calendarday", "suspension", "lane", "remotearea", "appointmentslot"),
            *_edit("inventory", "capacitybucket"),
            *_edit("inventory", "carrierservice", "freightrate", "freightsurcharge", "purchaseorder", "transfer"),
            *("inventory.view_skucost", "inventory.add_skucost"),
            *("inventory.add_sku", "inventory.change_sku", "inventory.change_stock", "inventory.adjust_stock"),
            *("inventory.import_stock", "inventory.end_purchaseorder", "inventory.approve_purchaseorder"),
            *("inventory.approve_transfer", "inventory.end_transfer", "inventory.approve_stockcount"),
            *("inventory.decide_replenishmentsuggestion", "inventory.snooze_replenishmentpolicy"),
            *("inventory.activate_sourcingruleset", "inventory.release_stockhold", "orders.match_skus"),
            *("orders.activate_reviewruleset",),
            *("orders.rehearse_reviewrule", "orders.switch_giftrule", "orders.import_orders", "orders.enter_order"),
            *("orders.export_orders", "orders.hold_order", "orders.note_order", "orders.mark_order"),
            *("orders.merge_suborder", "orders.move_suborder", "orders.replay_rejectedorder", "common.assign_ticket"),
        ),
    ),
    ShippedRole(
        "merchant_manager",
        (
            *_TICKETS,
            *_ORDERS,
            *_view("merchants", "merchant", "channel", "legalentity", "apicredential", "webhookendpoint"),
            *_view("merchants", "webhookdelivery", "merchantapplication", "merchantuser"),
            *_view("payments", "settlementrow", "statement", "deposit", "depositmovement", "serviceterm"),
            *_view("payments", "commissionterm"),
            *_view("inventory", "channelshare", "warehouseguest"),
            *_edit("merchants", "merchantuser"),
            *("merchants.add_merchant", "merchants.change_merchant", "merchants.add_channel"),
            *("merchants.change_channel", "merchants.suspend_merchant", "merchants.resend_webhookdelivery"),
            *("merchants.approve_merchantapplication", "merchants.reject_merchantapplication"),
            *("merchants.ping_webhookendpoint", "merchants.enable_webhookendpoint", "payments.answer_statement"),
        ),
        "merchants_merchantapplication_changelist",
    ),
    ShippedRole(
        "operator",
        (
            *_TICKETS,
            *_ORDERS,
            *_view("common", "connection", "inboundfact", "refusedmessage", "job"),
            *_view("merchants", "merchant", "channel", "webhookendpoint", "webhookdelivery"),
            *("common.see_pipeline", "common.retry_stuck", "common.assign_ticket", "common.switch_connection"),
            *("common.replay_inboundfact", "merchants.resend_webhookdelivery"),
        ),
        needs_second_factor=True,
    ),
    ShippedRole("auditor", (ALL_VIEWS,), "common_securityevent_changelist", needs_second_factor=True),
)
