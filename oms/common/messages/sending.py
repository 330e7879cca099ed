"""The stages that send what buyers are to be told: mail one by one, SMS over the connection of their service.

A message is claimed by lease before it is sent, so that two workers never send the same. What is refused stays refused,
and a ticket calls a person; what is not answered is sent again under the same number.
"""

from collections.abc import Collection, Mapping, Sequence
from smtplib import SMTPRecipientsRefused, SMTPSenderRefused

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from oms.common import secrecy, tickets
from oms.common.masking import describe, mask_text
from oms.common.messages import services
from oms.common.messages.kinds import worded
from oms.common.messages.services import Answer, Text
from oms.common.messages.writing import MAIL_STAGE, SMS_STAGE, opened
from oms.common.models import BuyerMessage, Connection, MessageWay, Team
from oms.common.work import calling
from oms.common.work.calling import Call, Outcomes
from oms.common.work.claiming import Queue, Stage, give_back, lease, lock_leased, put_off

_QUEUED = f"q.state = '{BuyerMessage.State.QUEUED}'"
MAIL_QUEUE = Queue(BuyerMessage, f"{_QUEUED} AND q.way = '{MessageWay.MAIL}'")
SMS_QUEUE = Queue(BuyerMessage, f"{_QUEUED} AND q.way = '{MessageWay.SMS}'")

NOT_TOLD = tickets.register_kind(
    tickets.TicketKind(
        "buyer_not_told",
        _("A message did not reach the buyer"),
        BuyerMessage.ticket_subject.kind,
        team=Team.SERVICE,
        reasons={"": _("The message to %(to)s was refused: “%(reason)s”.")},
        remedies=_("Reach the buyer otherwise. A wrong address stays wrong: trying again is no help."),
        can_retry=False,
    )
)


def run_mail(limit: int) -> int:
    """Send up to `limit` mails, one by one; returns how many were claimed."""
    claimed = 0
    asked: set[int] = set()
    while claimed < limit:
        tokens = lease(MAIL_QUEUE, 1, outside=True)
        if asked & tokens.keys():
            # Where waits are skipped, what was put off a moment ago is due again; it waits for the next run.
            give_back(MAIL_QUEUE, tokens)
            break
        if not tokens:
            break
        asked |= tokens.keys()
        claimed += 1
        _mail(tokens)
    return claimed


def _mail(tokens: dict[int, int]) -> None:
    (key,) = tokens
    message = BuyerMessage.objects.get(pk=key)
    try:
        content = opened(message)
        # The same name however often it is sent: who receives both knows it for one.
        headers = {"Message-ID": f"<buyer-message-{key}@oms>"}
        assert message.address is not None  # noqa: S101 - a constraint
        EmailMessage(content.subject, content.text, to=[secrecy.unseal(message.address)], headers=headers).send()
    except (SMTPRecipientsRefused, SMTPSenderRefused) as error:
        _finish_mail(tokens, Outcomes(refused={key: Answer(False, mask_text(describe(error))[:200])}))
    except Exception as error:
        # Recorded on the row, where staff see it.
        put_off(MAIL_QUEUE, {key: describe(error)}, tokens=tokens)
    else:
        _finish_mail(tokens, Outcomes(taken={key: Answer(True)}))


def _finish_mail(tokens: dict[int, int], outcomes: Outcomes[Answer]) -> None:
    with transaction.atomic():
        _finish(outcomes.only(lock_leased(MAIL_QUEUE, tokens)))


def _prepare(message_ids: Sequence[int]) -> Mapping[int, Text]:
    found = {}
    for message in BuyerMessage.objects.filter(pk__in=message_ids):
        content = opened(message)
        assert message.address is not None  # noqa: S101 - a constraint
        phone = secrecy.unseal(message.address)
        # Services have their templates in the language of the installation.
        values = {name: worded(value, settings.LANGUAGE_CODE) for name, value in content.values.items()}
        found[message.pk] = Text(str(message.pk), phone, content.text, message.provider_code, values)
    return found


def _ask(link: Connection, texts: Sequence[Text]) -> Mapping[str, Answer]:
    return services.of(link).send(link, texts)


def _finish(outcomes: Outcomes[Answer]) -> None:
    """Write what came of messages that are locked; nothing is said of what has no answer."""
    _mark(outcomes.taken, BuyerMessage.State.SENT)
    _mark(outcomes.refused, BuyerMessage.State.REFUSED)
    troubles = []
    for message in BuyerMessage.objects.filter(pk__in=list(outcomes.refused)):
        reason = outcomes.refused[message.pk].reason[:200]
        BuyerMessage.objects.filter(pk=message.pk).update(answer=reason)
        values = {"to": message.hint, "reason": reason}
        troubles.append(tickets.Trouble(message.pk, values=values, about_id=message.about_id))
    tickets.open_tickets(NOT_TOLD, troubles, opened_by=SMS_STAGE)


def _mark(message_ids: Collection[int], state: BuyerMessage.State) -> None:
    sent = {"sent_at": Now()} if state == BuyerMessage.State.SENT else {}
    BuyerMessage.objects.filter(pk__in=list(message_ids)).update(
        state=state, ready_at=None, lease_until=None, attempts=0, last_error="", **sent
    )


CALL: Call[Text, Answer] = Call(SMS_QUEUE, _prepare, _ask, _finish, most=100)
SMS = calling.outside_stage(SMS_STAGE, CALL)
MAIL = Stage(MAIL_STAGE, run_mail, queue=MAIL_QUEUE)
