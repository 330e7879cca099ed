"""Who of the merchant is told in time of what: chosen, tried and switched by itself; what failed is seen here."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Max, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from oms.common.desk.acting import INPUT, RowAction, RowActions, VersionForm
from oms.common.errors import OmsError, WrongFields
from oms.common.masking import mask_text
from oms.common.templatetags.staff import badge, moment_text
from oms.merchant_admin import OwnPages, merchant_of, site
from oms.merchants.models import Means, Merchant, MerchantReceiver, MerchantTelling, NewsKind, Pace
from oms.telling import receivers
from oms.telling.gathering import DIGEST, NOBODY
from oms.telling.receivers import Wanted

KEYS = "portal.keys"
MOST_SHOWN = 10


class ReceiverForm(forms.Form):
    """What is told, how often, in which language, and where."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=80, widget=forms.TextInput(attrs=INPUT))
    kinds = forms.MultipleChoiceField(
        label=gettext_lazy("what is told"), choices=NewsKind.choices, widget=forms.CheckboxSelectMultiple
    )
    every_minutes = forms.TypedChoiceField(
        label=gettext_lazy("how often"),
        choices=Pace.choices,
        coerce=int,
        initial=Pace.QUARTER,
        help_text=gettext_lazy("All that is new since then comes in one message."),
        widget=forms.Select(attrs=INPUT),
    )
    language = forms.ChoiceField(
        label=gettext_lazy("language"), choices=settings.LANGUAGES, widget=forms.Select(attrs=INPUT)
    )
    address = forms.CharField(
        label=gettext_lazy("Mailboxes, or the robot's address"),
        max_length=500,
        required=False,
        help_text=gettext_lazy(
            "E-mail addresses with commas between them, or the whole address that the chat tool shows for the robot;"
            " nothing for a webhook."
        ),
        widget=forms.TextInput(attrs={**INPUT, "autocomplete": "off"}),
    )
    secret = forms.CharField(
        label=gettext_lazy("The robot's signing secret, if it has one"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={**INPUT, "autocomplete": "off"}),
    )


class NewReceiverForm(ReceiverForm):
    """A new one: also by which means."""

    means = forms.ChoiceField(
        label=gettext_lazy("means"),
        choices=Means.choices,
        help_text=gettext_lazy("A webhook comes to your endpoints that want the event type merchant.news."),
        widget=forms.Select(attrs=INPUT),
    )
    field_order = ("name", "means", "address", "secret", "kinds", "every_minutes", "language")


class ChangeForm(VersionForm, ReceiverForm):
    """The same, of the version that the person looked at; no address: as it is."""


def _wanted(data: dict[str, Any]) -> Wanted:
    return Wanted(
        data["name"],
        data.get("means", ""),
        data["kinds"],
        data["every_minutes"],
        data["language"],
        data["address"],
        data["secret"],
    )


def _change(_request: HttpRequest, receiver_id: int, data: dict[str, Any]) -> str:
    receivers.change(receiver_id, _wanted(data), version=data["version"])
    return _("It is changed.")


def _test(_request: HttpRequest, receiver_id: int, _data: dict[str, Any]) -> str:
    receivers.test(receiver_id)
    return _("A test message is on its way; below stands how it went.")


def _switch_on(_request: HttpRequest, receiver_id: int, data: dict[str, Any]) -> str:
    receivers.switch(receiver_id, on=True, version=data["version"])
    return _("It is told what is new from now on.")


def _switch_off(_request: HttpRequest, receiver_id: int, data: dict[str, Any]) -> str:
    receivers.switch(receiver_id, on=False, version=data["version"])
    return _("It is told nothing more.")


class OwnReceivers(OwnPages, RowActions):
    """Mailboxes, robots and webhooks that are told."""

    sees = changes = KEYS
    may_add = True
    keyset = ("id",)
    list_display = ("name", "means", "kinds_words", "every_minutes", "health", "last_sent")
    list_filter = (("means", ChoicesDropdownFilter),)
    list_before_template = "portal/notices_head.html"
    list_select_related = ("connection",)
    fields = readonly_fields = (
        *("name", "means", "target", "kinds_words", "every_minutes", "language", "health", "since", "log"),
    )
    row_actions = (
        RowAction("test", KEYS, gettext_lazy("Send a test message"), _test, tone="primary", icon="send"),
        RowAction("switch_on", KEYS, gettext_lazy("Switch on"), _switch_on, VersionForm, "primary"),
        RowAction(
            *("edit", KEYS, gettext_lazy("Change it"), _change, ChangeForm),
            hint=gettext_lazy("Without an address it stays where it is."),
            initial=lambda row: {
                "name": row.name,
                "kinds": row.kinds,
                "every_minutes": row.every_minutes,
                "language": row.language,
            },
        ),
        RowAction("switch_off", KEYS, gettext_lazy("Switch off"), _switch_off, VersionForm, "danger-line"),
    )

    def own(self, merchant: Merchant) -> QuerySet[MerchantReceiver]:
        """The merchant's, with what came of their messages."""
        failed = Q(tellings__sent_at=None) & ~Q(tellings__last_error="")
        return MerchantReceiver.objects.filter(merchant=merchant).annotate(
            sent_last=Max("tellings__sent_at"),
            newest_sent=Max("tellings__id", filter=Q(tellings__sent_at__isnull=False)),
            newest_failed=Max("tellings__id", filter=failed),
        )

    def fitting_actions(self, row: MerchantReceiver) -> list[str]:
        """On or off."""
        return ["test", "edit", "switch_off"] if row.is_active else ["switch_on", "edit"]

    @display(description=gettext_lazy("what is told"))
    def kinds_words(self, row: MerchantReceiver) -> str:
        """The kinds in words."""
        return _(", ").join(str(NewsKind(kind).label) for kind in row.kinds)

    @display(description=gettext_lazy("where to"))
    def target(self, row: MerchantReceiver) -> str:
        """Mailboxes; of robots their host alone, the rest is secret."""
        if row.connection is None:
            return _("webhook endpoints that want %(type)s") % {"type": DIGEST}
        return ", ".join(row.connection.options.get("to", [])) or row.connection.base_url

    @display(description=gettext_lazy("health"))
    def health(self, row: Any) -> SafeString:
        """Whether it hears what it is told."""
        if not row.is_active:
            return badge(_("switched off"))
        if (row.newest_failed or 0) > (row.newest_sent or 0):
            return badge(_("The last message did not arrive"), "danger", "error")
        if row.connection is not None and row.connection.failures:
            return badge(_("Failures in a row: %(count)d") % {"count": row.connection.failures}, "danger", "error")
        return badge(_("Healthy"), "success") if row.sent_last else badge(_("Nothing sent yet"))

    @display(description=gettext_lazy("last message"))
    def last_sent(self, row: Any) -> str:
        """When the last message went out."""
        return moment_text(row.sent_last) if row.sent_last else "–"

    @display(description=gettext_lazy("log"))
    def log(self, row: MerchantReceiver) -> SafeString | str:
        """The newest messages: when, how much they told, and what came of them."""
        newest = row.tellings.annotate(told=Count("news")).order_by("-pk")[:MOST_SHOWN]
        lines = [
            (
                moment_text(one.written_at),
                _("Test message") if one.is_test else _("%(count)d new") % {"count": one.told},
                _outcome(one),
                _error(one.last_error),
            )
            for one in newest
        ]
        return format_html_join("", "<p>{} · {} {} {}</p>", lines) if lines else "–"

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Have somebody told."""
        merchant = merchant_of(request)
        if merchant is None or not self.has_add_permission(request):
            raise PermissionDenied
        form = NewReceiverForm(
            request.POST or None, initial={"kinds": NewsKind.values, "language": get_language() or "zh-hans"}
        )
        if request.method == "POST" and form.is_valid():
            try:
                made = receivers.add(merchant, _wanted(form.cleaned_data))
            except WrongFields as refusal:
                for error in refusal.errors:
                    form.add_error(error.attr if error.attr in form.fields else None, error.detail)
            except OmsError as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(request, _("%(name)s is told from now on. Send a test message.") % {"name": made.name})
                return redirect("merchant:merchants_merchantreceiver_change", made.pk)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Have somebody told"),
            "form": form,
            "list_url": reverse("merchant:merchants_merchantreceiver_changelist"),
        }
        return TemplateResponse(request, "portal/form.html", context, status=400 if form.errors else 200)


def _outcome(one: MerchantTelling) -> SafeString:
    if one.sent_at:
        return badge(_("sent"), "success", "check")
    return badge(_("not sent"), "danger", "error") if one.last_error else badge(_("waits to be sent"))


def _error(text: str) -> str:
    if text == NOBODY:
        return _("No enabled webhook endpoint wants it.")
    return mask_text(text)


site.register(MerchantReceiver, OwnReceivers)
