"""Every page of this app in the staff's site."""

from django.contrib import admin
from django.contrib.auth.models import Group, User

from oms.common.access.pages import FailedLogInAdmin, GroupAdmin, SecurityEventAdmin, UserAdmin
from oms.common.desk.connections import ConnectionAdmin
from oms.common.desk.facts import InboundFactAdmin
from oms.common.desk.job_pages import JobAdmin
from oms.common.desk.message_pages import BuyerMessageAdmin, MessageTemplateAdmin
from oms.common.desk.refusals import RefusedMessageAdmin
from oms.common.desk.schedule_pages import ScheduledTaskAdmin
from oms.common.desk.ticket_pages import TicketAdmin
from oms.common.desk.ticket_targets import TicketTargetAdmin
from oms.common.models import (
    BuyerMessage,
    Connection,
    FailedLogIn,
    InboundFact,
    Job,
    MessageTemplate,
    OutboundStop,
    RefusedMessage,
    ScheduledTask,
    SecurityEvent,
    Ticket,
    TicketTarget,
)
from oms.common.outbound_pages import OutboundStopAdmin

admin.site.unregister(User)
admin.site.unregister(Group)
admin.site.register(User, UserAdmin)
admin.site.register(Group, GroupAdmin)
admin.site.register(FailedLogIn, FailedLogInAdmin)
admin.site.register(SecurityEvent, SecurityEventAdmin)
admin.site.register(Job, JobAdmin)
admin.site.register(Connection, ConnectionAdmin)
admin.site.register(InboundFact, InboundFactAdmin)
admin.site.register(RefusedMessage, RefusedMessageAdmin)
admin.site.register(OutboundStop, OutboundStopAdmin)
admin.site.register(Ticket, TicketAdmin)
admin.site.register(MessageTemplate, MessageTemplateAdmin)
admin.site.register(BuyerMessage, BuyerMessageAdmin)
admin.site.register(TicketTarget, TicketTargetAdmin)
admin.site.register(ScheduledTask, ScheduledTaskAdmin)
