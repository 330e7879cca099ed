"""Refused rows of the merchant: seen, corrected by fields, sent in again, discarded, by the services of the API."""

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from cryptography.fernet import InvalidToken
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display

from oms.common.access import log
from oms.common.access.words import REASONS
from oms.common.desk.acting import RowAction, RowActions, VersionForm
from oms.common.errors import OmsError
from oms.common.models import SecurityEventKind
from oms.merchant_admin import OwnPages, actor_of, merchant_of, site
from oms.merchants.models import Merchant
from orders.admin.intake import RefusedColumns
from orders.intake import rejecting
from orders.intake import sheets as order_sheets
from orders.intake.placing import Outcome, Refused
from orders.models import RejectedOrder

ORDERS, RECIPIENTS = "portal.orders", "portal.recipients"
# A row with more fields than this is corrected as text.
MOST_FIELDS = 400
_WHOLE_NUMBERS = frozenset({"quantity", "used", "flag"})
_CORRECTED = "correct_refused_row"
REASONS.add({_CORRECTED: gettext_lazy("To correct a refused row")})


@dataclass(frozen=True, slots=True)
class Leaf:
    """A field of the row as the form shows it: its path, its label, its text, and what is wrong with it."""

    path: str
    label: str
    text: str
    wrong: str = ""

    @property
    def attr(self) -> str:
        """The path as errors name it."""
        return ".".join(_unescaped(part) for part in self.path.split("."))


def leaves_of(body: Any, missing: Sequence[str] = ()) -> dict[str, Any]:
    """The single values of a decoded row by path, such as `lines.0.sku`, with those `missing` whose place is there."""
    found = dict(_leaves(body, ""))
    for path in missing:
        parent, _dot, name = path.rpartition(".")
        held = _at(body, parent)
        if path not in found and name and isinstance(held, dict) and _unescaped(name) not in held:
            found[path] = None
    return found


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, held in value.items():
            yield from _leaves(held, f"{path}.{_escaped(name)}".strip("."))
    elif isinstance(value, list):
        for i, held in enumerate(value):
            yield from _leaves(held, f"{path}.{i}".strip("."))
    else:
        yield path, value


def _at(body: Any, path: str) -> Any:
    for part in path.split(".") if path else ():
        if isinstance(body, list) and part.isdigit() and int(part) < len(body):
            body = body[int(part)]
        elif isinstance(body, dict):
            body = body.get(_unescaped(part))
        else:
            return None
    return body


def _escaped(name: str) -> str:
    """A key as a part of a path: what the caller names itself, as in `metadata`, may have points in it, or be empty."""
    return name.replace("~", "~0").replace(".", "~1") or "~2"


def _unescaped(part: str) -> str:
    return "" if part == "~2" else part.replace("~1", ".").replace("~0", "~")


def with_texts(body: Any, leaves: Mapping[str, Any], texts: Mapping[str, str]) -> Any:
    """The row with what was typed for its leaves, each of the type that it had; of what was missing nothing is made
    where nothing was typed."""
    changed = deepcopy(body)
    for path, old in leaves.items():
        if path not in texts or texts[path] == _shown(old):
            continue
        parent, _dot, name = path.rpartition(".")
        place = _at(changed, parent)
        place[int(name) if isinstance(place, list) else _unescaped(name)] = _typed(old, texts[path].strip(), name)
    return changed


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _typed(old: Any, text: str, name: str) -> Any:
    is_number = isinstance(old, int | float) or name in _WHOLE_NUMBERS
    if is_number or isinstance(old, bool):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return None if old is None and not text else text


def label_of(path: str) -> str:
    """The path as people call it, as far as the sheets have a word for it."""
    parts = path.split(".")
    label = next(
        (str(column.label) for column in order_sheets.KIND.columns if column.attr == _without_places(parts)), ""
    )
    places = [int(part) + 1 for part in parts if part.isdigit()]
    where = _("line %(position)d") % {"position": places[0]} if places and parts[0] == "lines" else ""
    return " · ".join(filter(None, [where, label or ".".join(_unescaped(part) for part in parts)]))


def _without_places(parts: Sequence[str]) -> str:
    return ".".join(part for part in parts if not part.isdigit())


def _active(request: HttpRequest) -> Merchant:
    merchant = merchant_of(request)
    if merchant is None or merchant.status != Merchant.Status.ACTIVE:
        raise PermissionDenied
    return merchant


def _sent(outcome: Outcome) -> str:
    """What became of a row. Raises OmsError where it is refused again."""
    if isinstance(outcome, Refused):
        first = outcome.errors[0]
        values = {"field": label_of(first.attr) if first.attr else "–", "detail": first.detail}
        raise OmsError(_("Refused again: %(field)s: %(detail)s") % values)
    return _("It is order %(number)s now.") % {"number": outcome.number}


def _replay(request: HttpRequest, row_id: int, data: Mapping[str, Any]) -> str:
    _active(request)
    return _sent(rejecting.replay(row_id, None, actor=actor_of(request), version=data["version"]))


def _discard(request: HttpRequest, row_id: int, data: Mapping[str, Any]) -> str:
    rejecting.discard(row_id, version=data["version"])
    return _("The row is discarded.")


def _correct(request: HttpRequest, row_id: int, data: Mapping[str, Any]) -> HttpResponse:
    """The row whole, in fields; once they were filled in, sent in again. It is noted who saw it."""
    _active(request)
    if not request.user.has_perm(RECIPIENTS):
        raise PermissionDenied
    row = RejectedOrder.objects.get(pk=row_id)
    if row.state != RejectedOrder.State.OPEN:
        raise rejecting.NotOpen(_("This row is closed: %(state)s.") % {"state": row.get_state_display()})
    try:
        came = row.opened()
    except InvalidToken as error:
        raise OmsError(_("no key opens them")) from error
    if "step" not in request.POST:
        about = log.Subject("orders.rejectedorder", row.pk, str(row))
        log.note(SecurityEventKind.REVEALED, request.user, request=request, about=about, reason=_CORRECTED)
        return _form(request, row, came, {})
    texts = {name.removeprefix("f-"): str(text) for name, text in request.POST.items() if name.startswith("f-")}
    outcome = rejecting.replay(row.pk, _corrected(row, came, request), actor=actor_of(request), version=data["version"])
    if isinstance(outcome, Refused):
        return _form(request, RejectedOrder.objects.get(pk=row_id), came, texts, request.POST.get("body"))
    messages.success(request, _sent(outcome))
    return redirect("merchant:orders_rejectedorder_change", row_id)


def _decoded(came: str) -> Any:
    try:
        body = json.loads(came)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _leaves_of_row(row: RejectedOrder, came: str) -> dict[str, Any] | None:
    """Its leaves; None where it is corrected as text."""
    body = _decoded(came)
    if body is None:
        return None
    leaves = leaves_of(body, [str(error["attr"]) for error in row.errors if error.get("attr")])
    return leaves if len(leaves) <= MOST_FIELDS else None


def _corrected(row: RejectedOrder, came: str, request: HttpRequest) -> bytes:
    if "body" in request.POST:
        return request.POST["body"][: rejecting.LARGEST_BODY].encode(errors="replace")
    # What was named as missing once stays a field while it is corrected, whatever is wrong by now.
    leaves = leaves_of(_decoded(came), [name.removeprefix("f-") for name in request.POST if name.startswith("f-")])
    texts = {path: request.POST[f"f-{path}"] for path in leaves if f"f-{path}" in request.POST}
    changed = with_texts(_decoded(came), leaves, texts)
    return json.dumps(changed, ensure_ascii=False).encode(errors="replace")


def _form(
    request: HttpRequest, row: RejectedOrder, came: str, texts: Mapping[str, str], body: str | None = None
) -> HttpResponse:
    leaves = _leaves_of_row(row, came) if body is None else None
    wrong: dict[str, str] = {}
    for error in row.errors:
        path = str(error.get("attr") or "")
        wrong[path] = " ".join(filter(None, [wrong.get(path, ""), str(error.get("detail", ""))]))
    fields: list[Leaf] = []
    if leaves is not None:
        more = leaves_of(_decoded(came), list(texts))
        fields = [
            Leaf(path, label_of(path), texts.get(path, _shown(value)), wrong.pop(path, ""))
            for path, value in {**more, **leaves}.items()
        ]
        fields.sort(key=lambda leaf: not leaf.wrong)
    context = {
        **site.each_context(request),
        "opts": RejectedOrder._meta,
        "title": _("Correct the row and send it in"),
        "row": row,
        "fields": fields,
        "body": (body if body is not None else came) if leaves is None else None,
        "wrong": [(label_of(path) if path else "–", text) for path, text in wrong.items()],
        "address": reverse("merchant:orders_rejectedorder_correct", args=[row.pk]),
        "back": reverse("merchant:orders_rejectedorder_change", args=[row.pk]),
    }
    is_again = bool(texts) or body is not None
    response = TemplateResponse(request, "portal/correct.html", context, status=400 if is_again else 200)
    response["Cache-Control"] = "no-store"
    return response


class OwnRefused(RefusedColumns, OwnPages, RowActions):
    """Orders of the merchant that were refused on their way in, and why."""

    search_fields = ("external_number",)
    search_help_text = gettext_lazy("External number")
    list_display = ("__str__", "door", "state_label", "reasons", "times", "last_at", "became")
    list_filter = (("door", ChoicesDropdownFilter), ("state", ChoicesDropdownFilter))
    list_before_template = "portal/refused_head.html"
    fields = readonly_fields = (
        *("external_number", "door", "state_label", "times", "became", "created_at", "last_at", "keep_until"),
        *("errors_table", "body_text"),
    )
    actions = ("replay_selected",)
    row_actions = (
        RowAction(
            *("correct", ORDERS, gettext_lazy("Correct it"), _correct, VersionForm, "primary", "edit"),
            hint=gettext_lazy("Shows the row whole, names and addresses too; it is noted that you saw it."),
        ),
        RowAction(
            *("replay", ORDERS, gettext_lazy("Send it in again as it is"), _replay, VersionForm),
            icon="replay",
            hint=gettext_lazy("For what was wrong elsewhere, such as a SKU that was missing and is there now."),
        ),
        RowAction("discard", ORDERS, gettext_lazy("Discard"), _discard, VersionForm, "danger-line", "delete"),
    )

    def own(self, merchant: Merchant) -> QuerySet[RejectedOrder]:
        """As the API."""
        return RejectedOrder.objects.visible_to(merchant).select_related("order")

    def get_queryset(self, request: HttpRequest) -> QuerySet[RejectedOrder]:
        """The list needs no bodies."""
        return self.without_bodies(request, OwnPages.get_queryset(self, request))

    def fitting_actions(self, row: RejectedOrder) -> list[str]:
        """What is closed stays so."""
        return ["correct", "replay", "discard"] if row.state == RejectedOrder.State.OPEN else []

    @display(description=gettext_lazy("order"))
    def became(self, row: RejectedOrder) -> SafeString | str:
        """The order that it became."""
        if row.order is None:
            return "–"
        return format_html(
            '<a class="oms-no" href="{}">{}</a>',
            reverse("merchant:orders_order_change", args=[row.order.pk]),
            row.order.number,
        )

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """By role."""
        return request.user.has_perm(ORDERS)

    @action(description=gettext_lazy("Replay the selected rows"), permissions=["replay"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[RejectedOrder]) -> None:
        """Send each in again as it came; a message says what became of it."""
        for row in queryset.order_by("pk"):
            try:
                messages.success(request, _replay(request, row.pk, {"version": row.version}))
            except OmsError as refusal:
                messages.error(request, f"{row}: {refusal}")


site.register(RejectedOrder, OwnRefused)
