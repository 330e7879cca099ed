"""Models that know no business: what tables share, jobs, connected systems and what they tell, tickets, access."""

from oms.common.models.access import Authenticator, RecoveryCode, Role, SecurityEvent, SecurityEventKind
from oms.common.models.base import (
    QUEUE_COLUMNS,
    ClockTime,
    Expectation,
    TellsChanges,
    TellsMoves,
    TicketSubject,
    Versioned,
    WorkItem,
    money,
)
from oms.common.models.care import InvariantCheck, InvariantRepair, ScheduledTask
from oms.common.models.connection import LONGEST_TIMEOUT_SECONDS, Connection, ConnectionSlot, SystemKind
from oms.common.models.desk import QueueLook, SavedView, TicketTarget
from oms.common.models.fact import SETTLED_FACTS, FactState, InboundFact, Topic
from oms.common.models.job import Job, JobResult, JobState
from oms.common.models.login import FailedLogIn, OneTimePassword
from oms.common.models.message import BuyerMessage, MessageTemplate, MessageWay
from oms.common.models.outbound import OutboundStop
from oms.common.models.plot import StagedTrouble
from oms.common.models.refused import RefusedMessage
from oms.common.models.rule_set import RuleSetVersion
from oms.common.models.running import Heartbeat, SandboxJob
from oms.common.models.ticket import Team, Ticket, TicketEvent, TicketEventKind, TicketResult, TicketState

__all__ = [
    "LONGEST_TIMEOUT_SECONDS",
    "QUEUE_COLUMNS",
    "SETTLED_FACTS",
    "Authenticator",
    "BuyerMessage",
    "ClockTime",
    "Connection",
    "ConnectionSlot",
    "Expectation",
    "FactState",
    "FailedLogIn",
    "Heartbeat",
    "InboundFact",
    "InvariantCheck",
    "InvariantRepair",
    "Job",
    "JobResult",
    "JobState",
    "MessageTemplate",
    "MessageWay",
    "OneTimePassword",
    "OutboundStop",
    "QueueLook",
    "RecoveryCode",
    "RefusedMessage",
    "Role",
    "RuleSetVersion",
    "SandboxJob",
    "SavedView",
    "ScheduledTask",
    "SecurityEvent",
    "SecurityEventKind",
    "StagedTrouble",
    "SystemKind",
    "Team",
    "TellsChanges",
    "TellsMoves",
    "Ticket",
    "TicketEvent",
    "TicketEventKind",
    "TicketResult",
    "TicketState",
    "TicketSubject",
    "TicketTarget",
    "Topic",
    "Versioned",
    "WorkItem",
    "money",
]
