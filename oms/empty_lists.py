"""What a list says that has no rows: why, and what makes the first one. By the model of the list."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

# On the staff's site.
STAFF: Mapping[str, str | Promise] = {
    "auth.group": gettext_lazy("No roles yet. Add one, and tick what its people may see and do."),
    "auth.user": gettext_lazy("No colleagues yet. Add one, and give them a role."),
    "common.buyermessage": gettext_lazy("Nothing was sent to buyers yet. Write to a buyer from the page of an order."),
    "common.connection": gettext_lazy(
        "No system is connected yet. Add a connection to a warehouse, carrier or payment provider."
    ),
    "common.failedlogin": gettext_lazy("Nobody failed to log in. Failed log-ins are kept here, with name and address."),
    "common.inboundfact": gettext_lazy(
        "No message came from outside yet. What warehouses, carriers and payment providers tell is kept here."
    ),
    "common.invariantcheck": gettext_lazy(
        "Nothing was checked yet. The checks run by themselves; one may be started from its page."
    ),
    "common.job": gettext_lazy(
        "No background task yet. Imports, exports and bulk actions appear here with their results."
    ),
    "common.messagetemplate": gettext_lazy("No templates yet. Add a text that is sent to buyers often."),
    "common.outboundstop": gettext_lazy("Nothing is stopped: messages go out as usual."),
    "common.refusedmessage": gettext_lazy(
        "No message was refused. Those with a wrong signature, or from a foreign address, are kept here."
    ),
    "common.scheduledtask": gettext_lazy(
        "No scheduled tasks are known yet. They appear once the scheduler has started."
    ),
    "common.securityevent": gettext_lazy(
        "Nothing to tell yet. Log-ins, reveals, exports and changes of rights are kept here."
    ),
    "common.ticket": gettext_lazy(
        "Nothing waits for anybody. Trouble appears here by itself; open a ticket by hand on the page of an order."
    ),
    "common.tickettarget": gettext_lazy(
        "No target times of your own yet: tickets keep the usual ones. Add one to change it."
    ),
    "inventory.appointmentslot": gettext_lazy("No time slots yet. Add those in which buyers may have goods brought."),
    "inventory.calendarday": gettext_lazy("No holidays yet. Add the days on which work differs from the week's."),
    "inventory.capacitybucket": gettext_lazy(
        "No warehouse has a capacity yet. Set the orders a day on the warehouse's page."
    ),
    "inventory.carrierservice": gettext_lazy(
        "No carrier services yet. Add one, so that freight and days can be worked out."
    ),
    "inventory.channelshare": gettext_lazy(
        "No shares yet: all channels sell all stock. Add one to reserve or cap stock for a channel."
    ),
    "inventory.cutoff": gettext_lazy("No cut-offs yet. Add until when an order still leaves the same day."),
    "inventory.freightrate": gettext_lazy("No freight prices yet. Add a carrier's price for a zone and a weight."),
    "inventory.freightsurcharge": gettext_lazy("No surcharges yet. Add what a carrier asks for beside its prices."),
    "inventory.lane": gettext_lazy("No lanes yet. Add how many days parcels take from a warehouse to a region."),
    "inventory.lotmovement": gettext_lazy(
        "Nothing moved in batches yet. Receive goods that keep batches to see it here."
    ),
    "inventory.purchaseorder": gettext_lazy("No purchase orders yet. Add one, or approve a suggestion."),
    "inventory.receipt": gettext_lazy("Nothing was received yet. Add a receipt, or receive a purchase order."),
    "inventory.region": gettext_lazy("No regions yet. They are loaded with the catalogue, by whoever runs the system."),
    "inventory.remotearea": gettext_lazy("No remote areas yet. Add one where parcels take longer, or nothing arrives."),
    "inventory.replenishmentpolicy": gettext_lazy(
        "No alert lines yet. Add one for a SKU and warehouse, to be told before stock runs out."
    ),
    "inventory.replenishmentsuggestion": gettext_lazy(
        "Nothing needs to be bought or moved. Suggestions appear once stock falls below an alert line."
    ),
    "inventory.servicelevel": gettext_lazy(
        "No service levels yet. Add what buyers may be promised, such as same day or next day."
    ),
    "inventory.sku": gettext_lazy("No goods yet. Import a sheet, or let the merchants send theirs by API."),
    "inventory.skucost": gettext_lazy("No cost prices yet. Add one with its day, so that profit can be worked out."),
    "inventory.sourcingruleset": gettext_lazy(
        "No rules yet: the usual ones apply. Add a draft, and rehearse it on real orders."
    ),
    "inventory.stock": gettext_lazy("No stock yet. Receive goods, or import counted stock."),
    "inventory.stockadjustment": gettext_lazy("Nothing was adjusted yet. Adjust stock on its page, with a reason."),
    "inventory.stockcomparison": gettext_lazy(
        "No differences from warehouses' own books. They are compared every day."
    ),
    "inventory.stockcount": gettext_lazy("No counts yet. Add one, and enter or scan what is there."),
    "inventory.stockhold": gettext_lazy("No cart or quote holds stock. Shops hold it by API (reservations)."),
    "inventory.stocklot": gettext_lazy("No batches yet. They come with receipts of goods that keep batches."),
    "inventory.stockmovement": gettext_lazy("No stock moved yet. Every change of stock is booked here."),
    "inventory.suspension": gettext_lazy(
        "Nothing is suspended. Add one where a carrier or region stands still for some days."
    ),
    "inventory.transfer": gettext_lazy("No transfers yet. Add one, or approve a suggestion."),
    "inventory.warehouse": gettext_lazy("No warehouses yet. Add one with its region, classes and connection."),
    "inventory.warehouseguest": gettext_lazy("No merchant keeps goods in another's warehouse. Add one to let it."),
    "inventory.workschedule": gettext_lazy("No working hours yet. Add the week of a warehouse or carrier."),
    "logistics.accountsettings": gettext_lazy("No carrier account was used yet. Connect a carrier first."),
    "logistics.alertgroup": gettext_lazy(
        "No parcels are late together. Those stuck for one cause stand here in one row."
    ),
    "logistics.alertreceiver": gettext_lazy(
        "Nobody is told of late parcels yet. Add a mail address, a robot or a webhook."
    ),
    "logistics.alerttelling": gettext_lazy("Nothing was told yet. Messages about late parcels are kept here."),
    "logistics.carrier": gettext_lazy("No carriers yet. Add one with its code and name."),
    "logistics.carrieraccount": gettext_lazy("No carrier accounts yet. Add one to share it among shops and merchants."),
    "logistics.carriercode": gettext_lazy("No codes yet. Add what a protocol calls a carrier."),
    "logistics.carrierdecision": gettext_lazy(
        "No carrier was chosen yet. Why each parcel got its carrier is kept here."
    ),
    "logistics.carrierrule": gettext_lazy(
        "No rules yet: an order's wish counts, then the priority of carriers. Add a rule to choose otherwise."
    ),
    "logistics.codeimport": gettext_lazy("No codes were imported yet. Import a file on the page of codes."),
    "logistics.courier": gettext_lazy("No couriers yet. Add one, and give them a station and a vehicle."),
    "logistics.courierparcel": gettext_lazy(
        "No parcel goes by own couriers. Those of a station's area come here by themselves."
    ),
    "logistics.deadlinerule": gettext_lazy(
        "No rules yet: the shipped ones apply. Add one to change how long a step may take."
    ),
    "logistics.deadlinestretch": gettext_lazy(
        "No deadlines are stretched. Add one for a festival, a storm or a closed road."
    ),
    "logistics.doorpickup": gettext_lazy("No pick-ups yet. They are booked from the page of a return."),
    "logistics.doorreport": gettext_lazy("No courier has reported from a door yet. Their phone page does."),
    "logistics.learneddeadline": gettext_lazy(
        "Nothing was learned yet. Deadlines are learned from past scans every night."
    ),
    "logistics.logisticsalert": gettext_lazy("No parcel is late. Alerts open and close by themselves."),
    "logistics.parcelclaim": gettext_lazy("No claims yet. Claim a lost or damaged parcel from its page."),
    "logistics.picktask": gettext_lazy(
        "Nothing is to be picked. Each order of a warehouse that is run here becomes a task."
    ),
    "logistics.polling": gettext_lazy("No parcel is followed yet. Parcels with a waybill are, by themselves."),
    "logistics.printout": gettext_lazy("Nothing was printed yet. Print from warehouse orders or waves."),
    "logistics.recall": gettext_lazy(
        "No parcel is being called back. Its carrier is asked from the page of its order."
    ),
    "logistics.routeplan": gettext_lazy("No plans yet. Plan the day of a station from its page."),
    "logistics.scanword": gettext_lazy("No words yet. Add what a carrier's state means."),
    "logistics.shipment": gettext_lazy(
        "No parcels yet. They come once a warehouse has packed, or a waybill was bought."
    ),
    "logistics.shiprule": gettext_lazy("No channel has deadlines of its own. Add until when its orders must leave."),
    "logistics.station": gettext_lazy("No stations yet. Add one with the area that its couriers serve."),
    "logistics.stockorder": gettext_lazy(
        "No warehouse was told of goods to come or go. Receipts and transfers do it by themselves."
    ),
    "logistics.trackingevent": gettext_lazy("No scans yet. What carriers tell of parcels is kept here."),
    "logistics.vehicle": gettext_lazy("No vehicles yet. Add one with what it can carry."),
    "logistics.virtualcode": gettext_lazy("No codes yet. Import them on the page of a good that is sold by codes."),
    "logistics.virtualdelivery": gettext_lazy("Nothing virtual was delivered yet. It is, once such an order is paid."),
    "logistics.virtualsupply": gettext_lazy("No good is sold by codes yet. Import codes for one."),
    "logistics.warehouseitem": gettext_lazy(
        "No warehouse system knows our goods yet. They are told before the first order."
    ),
    "logistics.warehouseorder": gettext_lazy("No warehouse has an order yet. They are written as orders are released."),
    "logistics.wave": gettext_lazy(
        "No waves yet. They are made by the rules, of what warehouses that are run here were sent."
    ),
    "logistics.waverule": gettext_lazy("No rules yet. Add one, so that warehouse orders are picked together."),
    "logistics.waybillbalance": gettext_lazy("No balance is known yet. It is asked for every day."),
    "logistics.waybillerrand": gettext_lazy(
        "No waybill was asked for yet. Requests stand here until they are answered."
    ),
    "logistics.waybillshare": gettext_lazy("No account is shared yet. Let a shop or merchant use one."),
    "logistics.waybilluse": gettext_lazy("No shared account was used yet. Each waybill is counted here with its cost."),
    "merchants.apicredential": gettext_lazy("No key yet. Add one for a merchant, or for an inside system."),
    "merchants.channel": gettext_lazy("No channels yet. Add one, or let the first order of a new shop open it."),
    "merchants.legalentity": gettext_lazy("No issuer yet. Add in whose name invoices are issued."),
    "merchants.merchant": gettext_lazy("No merchants yet. Add one, or approve an application."),
    "merchants.merchantapplication": gettext_lazy("Nobody has applied yet. Companies do at /apply/."),
    "merchants.merchantreceiver": gettext_lazy("No merchant has chosen to be told yet. They do in their portal."),
    "merchants.merchanttelling": gettext_lazy("No merchant was told anything yet."),
    "merchants.merchantuser": gettext_lazy("No merchant has users yet. Add one, or approve an application."),
    "merchants.webhookdelivery": gettext_lazy(
        "No news was sent to shops yet. It is, once a merchant adds an endpoint."
    ),
    "merchants.webhookendpoint": gettext_lazy("No merchant listens yet. They add endpoints in their portal or by API."),
    "orders.buyernotification": gettext_lazy("No messages to buyers came by the LOC interface yet."),
    "orders.cancelreason": gettext_lazy("No reasons yet. Add why orders are cancelled, and who bears it."),
    "orders.deliverypromise": gettext_lazy(
        "No dates were promised yet. They are with orders to regions that a service level reaches."
    ),
    "orders.giftgrant": gettext_lazy("No gifts were given yet. Rules give them as orders are reviewed."),
    "orders.giftrule": gettext_lazy("No rules yet. Add for which orders what is given."),
    "orders.hold": gettext_lazy("No order is held. Rules and people hold orders; hold one from its page."),
    "orders.order": gettext_lazy("No orders yet. They come by API, by file, or are entered by hand."),
    "orders.rejectedorder": gettext_lazy("No row was refused. What cannot be taken waits here to be corrected."),
    "orders.returnreason": gettext_lazy("No reasons yet. Add why goods come back, and who bears it."),
    "orders.returnrequest": gettext_lazy(
        "No returns yet. They are asked for by buyers, merchants, platforms, or from the page of an order."
    ),
    "orders.returnrule": gettext_lazy(
        "No rules yet: a person decides on each return. Add one to approve or decline by itself."
    ),
    "orders.reviewdecision": gettext_lazy("No order was reviewed yet. What the rules decided, and why, is kept here."),
    "orders.reviewlist": gettext_lazy("No lists yet. Add one of phones, addresses or words that rules look at."),
    "orders.reviewlistentry": gettext_lazy(
        "The lists are empty. Add an entry, or import a file on the page of a list."
    ),
    "orders.reviewrule": gettext_lazy("No rules yet: every order passes. Add one in a draft."),
    "orders.reviewruleset": gettext_lazy("No versions yet. Add a draft, and rehearse it on real orders."),
    "orders.skumatch": gettext_lazy("Nothing is matched yet. Import a sheet, or match the codes that wait."),
    "orders.strayparcel": gettext_lazy("No parcel without a name. Note one that nobody can place as it arrives."),
    "orders.suborder": gettext_lazy("No sub-orders yet. Orders are split into them once they passed review."),
    "orders.unmatchedcode": gettext_lazy(
        "No code waits. Codes that nobody knows hold their orders here until they are matched."
    ),
    "payments.account": gettext_lazy("No accounts yet. They are made when the system is installed or updated."),
    "payments.balanceadjustment": gettext_lazy(
        "No balance was adjusted. Adjust one from the page of a gift card or of points."
    ),
    "payments.banktransfer": gettext_lazy(
        "No transfers yet. Enter one from the page of a payment that is made by bank."
    ),
    "payments.bill": gettext_lazy("No bills yet. They are fetched every day, or uploaded here."),
    "payments.billday": gettext_lazy("No day to reconcile yet. Days begin with the first bill."),
    "payments.billmatch": gettext_lazy("Nothing is matched yet. Rows of bills are, once a bill is read."),
    "payments.billrow": gettext_lazy("No rows yet. They come with bills."),
    "payments.billsource": gettext_lazy("No sources yet. Add how a platform or bank writes its bills."),
    "payments.commissionterm": gettext_lazy("No terms yet: each merchant's own rate applies. Add one for a category."),
    "payments.deposit": gettext_lazy("No deposits yet. Add what a merchant must leave with us."),
    "payments.depositmovement": gettext_lazy("No deposit moved yet. Payments in and deductions are booked here."),
    "payments.dispute": gettext_lazy("No disputes. Complaints and chargebacks of providers come here."),
    "payments.giftcard": gettext_lazy("No gift cards yet. Issue some here, or let a shop do it by API."),
    "payments.grantlimit": gettext_lazy("No limits yet: roles may grant nothing. Add how much a role may grant."),
    "payments.grantreason": gettext_lazy("No reasons yet. Add why money is given back, and who bears it."),
    "payments.invoice": gettext_lazy("No invoices yet. Buyers ask for them with the order, or later by a link."),
    "payments.ledgerentry": gettext_lazy("Nothing is booked yet. Every fact about money is booked here by itself."),
    "payments.payment": gettext_lazy("No payments yet. They come with orders that must be paid."),
    "payments.pointsaccount": gettext_lazy("Nobody has points yet. Orders that name a member earn them."),
    "payments.refund": gettext_lazy("No refunds. They come with cancellations, returns and grants."),
    "payments.refundgrant": gettext_lazy("No grants yet. Grant a refund from the page of an order."),
    "payments.serviceterm": gettext_lazy(
        "No terms yet: goods in our warehouses cost their merchants nothing. Add what they pay."
    ),
    "payments.settlementrow": gettext_lazy("Nothing is to be settled yet. Rows come as orders are paid and completed."),
    "payments.statement": gettext_lazy("No statements yet. They are opened by the period of each merchant."),
}

# On the merchants' own site, where it differs.
MERCHANTS: Mapping[str, str | Promise] = {
    "common.job": gettext_lazy("Nothing was imported or exported yet. Begin on the page of orders, goods or stock."),
    "inventory.sku": gettext_lazy("No goods yet. Add one, or import a sheet."),
    "inventory.stock": gettext_lazy("No stock yet. Import a sheet, or set it by API."),
    "inventory.warehouse": gettext_lazy("No warehouses yet. Add one with its address and classes."),
    "logistics.warehouseorder": gettext_lazy(
        "Nothing to ship. Orders for your warehouses appear here as they are released."
    ),
    "merchants.apicredential": gettext_lazy("No key yet. Add one, so that your program may call the API."),
    "merchants.channel": gettext_lazy("No shops yet. The first order of a shop opens it."),
    "merchants.merchantreceiver": gettext_lazy(
        "Nobody is told yet. Add a mail address, a robot or a webhook, and choose what it is told."
    ),
    "merchants.merchantuser": gettext_lazy("You have no colleagues here yet. Invite one."),
    "merchants.refusedcall": gettext_lazy(
        "No call was refused. Those of your program that are wrong are explained here."
    ),
    "merchants.webhookdelivery": gettext_lazy("Nothing was sent to you yet. Add an endpoint to be told of news."),
    "merchants.webhookendpoint": gettext_lazy("No endpoint yet. Add the address at which your program listens."),
    "orders.order": gettext_lazy("No orders yet. Send them by API, import a sheet, or enter one."),
    "orders.suborder": gettext_lazy("Nothing to fulfil yet. Parts of orders that are yours appear here."),
    "payments.deposit": gettext_lazy("You have no deposit with us."),
    "payments.refundgrant": gettext_lazy("No refund was asked for yet. Ask for one from the page of an order."),
    "payments.statement": gettext_lazy("No statements yet. The first comes when your period ends."),
}
