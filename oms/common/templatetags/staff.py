"""How the staff's pages write amounts, moments and states."""

from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from django import template
from django.conf import settings
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from oms.common import masking, money
from oms.common.codebook import ACTORS

register = template.Library()

# Which colour a state has, whatever kind of row it belongs to.
TONES = {
    "info": (
        "in_review ready_to_split split awaiting_allocation allocated released accepted picking packed created"
        " waybill_issued collected in_transit out_for_delivery requested intended pending approved open partly_shipped"
        " queued running sent issuing answered counting ordered asked"
        " partly_received on_shelf sold filed agreed bought booked"
    ),
    "success": (
        "paid shipped partly_delivered delivered completed signed captured succeeded issued nothing_due received"
        " active inspected enabled applied won used done revealed shown published confirmed matched"
    ),
    "warning": (
        "awaiting_payment unpaid closing entered backordered failed_delivery intercepting returning partly_paid"
        " partly_refunded on_delivery disabled awaiting_goods to_grant granted proposed confirming partly_red reported"
        " held waiting awaiting_balance awaiting_warehouse unknown calling_off missed"
    ),
    "danger": "failed rejected refused lost suspended declined contradicted",
    "muted": (
        "cancelled closed consumed discarded draft expired no_effect red refunded removed replaced replayed returned"
        " submitted under_review unfulfilled withdrawn ended dismissed given_back superseded not_due nothing kept"
        " disposed taken_back"
    ),
}
_TONE_OF = {state: tone for tone, states in TONES.items() for state in states.split()}


@register.filter
def tone(state: str) -> str:
    """The colour of a state: info, success, warning, danger or muted."""
    return _TONE_OF.get(str(state), "muted")


@register.simple_tag
def badge(label: object, kind: str = "muted", icon: str = "") -> SafeString:
    """A small coloured label."""
    if not label:
        return SafeString("")
    mark = format_html('<span class="material-symbols-outlined">{}</span>', icon) if icon else ""
    return format_html('<span class="oms-badge oms-{}">{}{}</span>', kind, mark, label)


@register.simple_tag
def why_empty(changelist: ChangeList) -> str:
    """Why a list that nothing is looked for in has no rows, and what makes the first one."""
    model_admin = changelist.model_admin
    sentences = getattr(model_admin.admin_site, "empty_lists", {})
    return str(sentences.get(model_admin.model._meta.label_lower, ""))


@register.simple_tag
def state_badge(row: Model, field: str = "state") -> SafeString:
    """The label of a row's state in the state's colour."""
    state = getattr(row, field)
    return badge(_labels(type(row), field).get(state, state), tone(state))


@cache
def _labels(model: type[Model], field: str) -> dict[object, object]:
    """The words of a field's values; Django's own get_…_display makes this table anew for each row."""
    return dict(model._meta.get_field(field).flatchoices)  # type: ignore[union-attr]


@register.simple_tag(takes_context=True)
def ticket_badges(context: template.Context, row: Any) -> SafeString:
    """What open tickets there are about a row of an order, linked for those who may see them: on the order's page,
    whose context has the order's open tickets."""
    subject = (row.ticket_subject.kind, row.pk)
    found = [item["words"] for item in context.get("open_tickets") or ()]
    return format_html_join(
        " ", "{}", ((_ticket_badge(context, words),) for words in found if _about(words) == subject)
    )


def _about(words: Any) -> tuple[str, int]:
    return words.row.subject_kind, words.row.subject_id


def _ticket_badge(context: template.Context, words: Any) -> SafeString:
    label = badge(words.title, "danger", "assignment_late")
    if not context.get("may_view_tickets"):
        return label
    return format_html('<a href="{}">{}</a>', reverse("admin:common_ticket_change", args=[words.row.pk]), label)


register.filter("hide_name", masking.hide_name)
register.filter("hide_phone", masking.hide_phone)


@register.filter
def yuan(amount: Decimal | None) -> str:
    """An amount with two places and grouped digits."""
    return "" if amount is None else f"{amount:,.2f}"


@register.filter
def fen(amount: int) -> str:
    """An amount in fen as one in yuan."""
    return yuan(money.yuan(amount))


@register.filter
def less(amount: Decimal | None) -> str:
    """An amount that is taken off; a dash for nothing."""
    return "–" if not amount else f"−{amount:,.2f}"


@register.filter
def when(moment: datetime | None, form: str = "long") -> str:
    """A moment in local time, marked up so that the full time shows on hovering; "short" leaves out the seconds."""
    if moment is None:
        return ""
    local = timezone.localtime(moment)
    text = f"{local:%Y-%m-%d %H:%M:%S}"
    shown = text if form == "long" else text[5:16] if local.year == timezone.localtime().year else text[:16]
    return format_html('<time datetime="{}" title="{}">{}</time>', local.isoformat(), text, shown)


def moment_text(moment: datetime) -> str:
    """A moment in local time to the minute, as sentences write it."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"


register.filter("moment", moment_text)


@register.filter
def actor(name: str) -> str:
    """Who did something: a person by name, others in words."""
    return ACTORS.word(name)


@register.filter
def age(value: datetime | float | None) -> str:
    """How long ago a moment was, or how long some seconds are, in the two largest units."""
    if value is None:
        return ""
    if not isinstance(value, datetime):
        value = timezone.now() - timedelta(seconds=float(value))
    if (timezone.now() - value).total_seconds() < 60:
        return _("less than a minute")
    return timesince(value)


@register.filter
def grouped(number: int | Decimal | None) -> str:
    """A number with grouped digits."""
    return "" if number is None else number_format(number, force_grouping=True)


@cache
def _menu() -> dict[str, Any]:
    """The titles of both menus' entries by where they lead."""
    groups = [*settings.UNFOLD["SIDEBAR"]["navigation"], *settings.MERCHANT_UNFOLD["SIDEBAR"]["navigation"]]
    return {str(item["link"]): item["title"] for group in groups for item in group["items"]}


@register.filter
def name_in_menu(address: Any, otherwise: Any) -> Any:
    """What the menu calls the page at the address; `otherwise` where no entry leads there."""
    return _menu().get(str(address), otherwise)
