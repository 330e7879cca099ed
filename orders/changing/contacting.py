"""Talking with buyers: what was said is kept on the order, and messages go out by templates that staff choose."""

import uuid

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common.errors import OmsError
from oms.common.messages import writing
from oms.common.messages.kinds import MessageKind, register_message_kind
from oms.common.models import BuyerMessage, MessageWay
from orders import kinds
from orders.actors import Actor
from orders.changing.telling import mail_of, phone_of
from orders.models import ContactWay, InvoiceRequest, Order
from orders.telling import timeline

# What a person writes into a message; an SMS has room for no more.
LONGEST_WORDS = 200


_ORDER = gettext_lazy("number of the order at the shop")
_WORDS = gettext_lazy("what the member of staff writes")


def _kind(code: str, title: object, subject_zh: str, zh: str, subject_en: str, en: str) -> MessageKind:
    return register_message_kind(
        MessageKind(
            code,
            title,
            {"order": _ORDER, "words": _WORDS},
            {
                (MessageWay.MAIL, "zh-hans"): (subject_zh, zh),
                (MessageWay.MAIL, "en"): (subject_en, en),
                (MessageWay.SMS, "zh-hans"): ("", zh),
                (MessageWay.SMS, "en"): ("", en),
            },
        )
    )


# What staff may send from an order, by code; the texts are templates that staff edit.
SENDABLE = {
    kind.code: kind
    for kind in (
        _kind(
            "service_call_us",
            gettext_lazy("We could not reach you"),
            "请联系客服",
            "关于您的订单{order}，我们未能与您取得联系，请您方便时联系客服。{words}",
            "Please contact us",
            "We tried to reach you about your order {order}. Please contact us. {words}",
        ),
        _kind(
            "service_address",
            gettext_lazy("Please check your address"),
            "请核对收货地址",
            "您的订单{order}收货地址信息不完整，请尽快核对并联系客服。{words}",
            "Please check your address",
            "The address of your order {order} is not complete. Please check it and contact us. {words}",
        ),
        _kind(
            "service_delay",
            gettext_lazy("It takes longer"),
            "订单延迟发货",
            "非常抱歉，您的订单{order}将延迟发货。{words}",
            "Your order takes longer",
            "We are sorry: your order {order} takes longer than we said. {words}",
        ),
        _kind(
            "service_message",
            gettext_lazy("A message of your own"),
            "关于您的订单",
            "关于您的订单{order}：{words}",
            "About your order",
            "About your order {order}: {words}",
        ),
    )
}
_NEEDS_WORDS = {"service_message"}
WAYS = (MessageWay.SMS, MessageWay.MAIL)


@transaction.atomic
def log_contact(order_id: int, *, way: str, text: str, is_reached: bool, actor: Actor) -> None:
    """Keep that somebody talked with the buyer, or tried to, and what was said.

    Raises Order.DoesNotExist, and OmsError for an unknown way, and for a text that is empty or too long.
    """
    if way not in ContactWay.values:
        raise OmsError(_("Say how you talked with the buyer."), attr="way")
    said = timeline.note_text(text)
    Order.objects.only("id").get(pk=order_id)
    timeline.record(order_id, kinds.CONTACTED, actor, way=way, text=said, is_reached=is_reached)


@transaction.atomic
def send(order_id: int, *, kind: str, way: str, words: str, language: str, key: str, actor: Actor) -> BuyerMessage:
    """Write a message to the order's buyer by the template of this kind and way; a stage sends it. `key` (a UUID) makes
    that the same form sent twice writes one message.

    Raises Order.DoesNotExist, and OmsError where the buyer has no such address, nothing sends it, or there is no text.
    """
    if kind not in SENDABLE:
        raise OmsError(_("Choose what the message says."), attr="kind")
    if way not in WAYS:
        raise OmsError(_("Choose SMS or e-mail."), attr="way")
    said = words.strip()
    if len(said) > LONGEST_WORDS:
        raise OmsError(_("Write at most %(most)d characters.") % {"most": LONGEST_WORDS}, attr="words")
    if not said and kind in _NEEDS_WORDS:
        raise OmsError(_("Write what the message says."), attr="words")
    order = Order.objects.select_related("channel__merchant").get(pk=order_id)
    if order.channel.merchant.is_sandbox:
        raise OmsError(_("This is an order of a sandbox: nobody is told of it."))
    is_mail = way == MessageWay.MAIL
    asked = InvoiceRequest.objects.filter(order=order).first() if is_mail else None
    address = mail_of(order, asked) if is_mail else phone_of(order)
    if not address:
        raise OmsError(
            _("No e-mail address of the buyer is known.") if is_mail else _("No whole telephone number is known."),
            attr="way",
        )
    fact = f"{order.number}:{_uuid(key)}"
    if BuyerMessage.objects.filter(kind=kind, key=fact, way=way).exists():
        raise OmsError(_("This message was written already."))
    news = writing.News(
        fact,
        {"order": order.external_number, "words": said},
        mail=address if is_mail else "",
        phone="" if is_mail else address,
        about_id=order.pk,
        language=language,
    )
    writing.write(SENDABLE[kind], [news])
    message = BuyerMessage.objects.filter(kind=kind, key=fact, way=way).first()
    if message is None:
        raise OmsError(
            _("Nothing sends it: there is no active template of this message for this way, or no SMS service."),
            attr="way",
        )
    timeline.record(order_id, kinds.MESSAGED, actor, message=kind, way=way, to=message.hint, words=said)
    return message


def _uuid(key: str) -> str:
    try:
        return str(uuid.UUID(key))
    except ValueError as error:
        raise OmsError(_("Open the order again and repeat what you wanted.")) from error
