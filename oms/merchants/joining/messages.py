"""Who is told of applications: the applicant by mail, with the way back to its page; staff by mail and by a ticket."""

from datetime import timedelta

from django.conf import settings
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from oms.common import tickets
from oms.common.desk.ticket_words import rows_of
from oms.common.messages import writing
from oms.common.messages.kinds import MessageKind, register_message_kind
from oms.common.models import MessageWay, Team
from oms.merchants.models import MerchantApplication

_FIELDS = {
    "company": _("the company that applies"),
    "link": _("link to the page of the application"),
    "reason": _("why it was sent back"),
    "login": _("address of the merchants' pages"),
    "username": _("login name of the first user"),
}
_MAIL = MessageWay.MAIL

RECEIVED = register_message_kind(
    MessageKind(
        "application_received",
        _("Application of a merchant came in"),
        _FIELDS,
        {
            (_MAIL, "zh-hans"): (
                "已收到您的入驻申请",
                "{company}：您的入驻申请已收到。审核进度请随时在此查看：{link}\n此链接仅供您本人使用，请勿转发。",
            ),
            (_MAIL, "en"): (
                "We have your application",
                "{company}: your application is here. See what becomes of it at {link}\nThe link is yours alone:"
                " do not pass it on.",
            ),
        },
    )
)
APPROVED = register_message_kind(
    MessageKind(
        "application_approved",
        _("Application of a merchant was approved"),
        _FIELDS,
        {
            (_MAIL, "zh-hans"): (
                "您的入驻申请已通过",
                "{company}：入驻申请已通过。请在 {link} 设置登录密码，然后以用户名 {username} 登录商家中心：{login}",
            ),
            (_MAIL, "en"): (
                "Your application was approved",
                "{company}: your application was approved. Choose your password at {link} and log in as {username} at"
                " {login}",
            ),
        },
    )
)
REJECTED = register_message_kind(
    MessageKind(
        "application_rejected",
        _("Application of a merchant was sent back"),
        _FIELDS,
        {
            (_MAIL, "zh-hans"): (
                "您的入驻申请需要修改",
                "{company}：申请被退回，原因：{reason}\n请在此修改后重新提交：{link}",
            ),
            (_MAIL, "en"): (
                "Your application was sent back",
                "{company}: your application was sent back: {reason}\nChange it and submit it again at {link}",
            ),
        },
    )
)
TO_STAFF = register_message_kind(
    MessageKind(
        "application_to_decide",
        _("Application to decide on (to staff)"),
        _FIELDS,
        {
            (_MAIL, "zh-hans"): ("有新的商家入驻申请", "{company} 申请入驻，请审核：{link}"),
            (_MAIL, "en"): ("A company applies", "{company} wants to become a merchant; decide on it: {link}"),
        },
    )
)
TO_DECIDE = tickets.register_kind(
    tickets.TicketKind(
        "application_to_decide",
        _("Application of a merchant to decide on"),
        "merchant_application",
        team=Team.SERVICE,
        due_within=timedelta(days=2),
        reasons={"": _("%(company)s wants to become a merchant.")},
        remedies=_("Look at its documents, then approve it or send it back with a reason."),
        can_retry=False,
    )
)
tickets.register_subject("merchant_application", rows_of(MerchantApplication, "company"))


def address_of(application: MerchantApplication) -> str:
    """The whole address of the applicant's page; only its path where nobody said how the world reaches this site."""
    return settings.PUBLIC_URL + reverse("application", args=[application.reference])


def came(application: MerchantApplication) -> None:
    """Tell the applicant that it is here, and staff that there is one to decide on."""
    values = {"company": application.company, "link": address_of(application)}
    _write(RECEIVED, application, values, application.contact_email)
    page = reverse("admin:merchants_merchantapplication_change", args=[application.pk])
    if settings.APPLICATIONS_MAIL:
        _write(TO_STAFF, application, {**values, "link": settings.PUBLIC_URL + page}, settings.APPLICATIONS_MAIL)
    trouble = tickets.Trouble(application.pk, "", {"company": application.company})
    tickets.open_tickets(TO_DECIDE, [trouble], opened_by="applicant")


def decided(application: MerchantApplication, *, username: str = "") -> None:
    """Tell the applicant what was decided: with a `username` how to log in, else why it was sent back."""
    values = {
        "company": application.company,
        "link": address_of(application),
        "reason": application.rejection_reason,
        "login": settings.PUBLIC_URL + reverse("merchant:index"),
        "username": username,
    }
    _write(APPROVED if username else REJECTED, application, values, application.contact_email)
    tickets.close_tickets([TO_DECIDE], [application.pk])


def _write(kind: MessageKind, application: MerchantApplication, values: dict[str, str], mail: str) -> None:
    key = f"{application.reference}:{application.version}"
    writing.write(kind, [writing.News(key, values, mail=mail, language=get_language() or "")])
