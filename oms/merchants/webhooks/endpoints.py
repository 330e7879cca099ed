"""What merchants and staff do with webhook endpoints and deliveries.

The one order of locks, here, in `recording` and in `purging`: deliveries by id, then endpoints by id. Whoever holds an
endpoint and wants deliveries takes those that nobody holds.
"""

import base64
import json
import logging
import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import timedelta
from smtplib import SMTPRecipientsRefused

from django.conf import settings
from django.core.mail import send_mail
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common import outbound
from oms.common.errors import ChangedMeanwhile, OmsError
from oms.common.secrecy import seal
from oms.merchants.models import (
    DeliveryState,
    DisabledBecause,
    EndpointState,
    Merchant,
    WebhookDelivery,
    WebhookEndpoint,
)
from oms.merchants.webhooks import addresses

logger = logging.getLogger(__name__)

PING = "webhook.ping"
OLD_SECRET_SIGNS_FOR = timedelta(hours=24)
_PATTERN = re.compile(r"\*|[a-z_]{1,20}\.(\*|[a-z_]{1,38})")
_types: set[str] = {PING}


class TooManyEndpoints(OmsError):
    """The merchant has as many endpoints as it may have."""

    code = "too_many_endpoints"


class NotEnabled(OmsError):
    """The endpoint is told nothing, so nothing can be sent to it."""

    code = "endpoint_not_enabled"


class UnknownEventType(OmsError):
    """No news has such a type."""

    code = "unknown_event_type"
    status_code = 400


def register_types(types: Iterable[str]) -> None:
    """Make known which types of news an app above writes, so that a slip in a subscription is noticed."""
    _types.update(types)


def known_types() -> list[str]:
    """Every type of news, sorted."""
    return sorted(_types)


def hears(patterns: Iterable[str], event_type: str) -> bool:
    """Whether an endpoint with these patterns is told news of the type."""
    return any(
        event_type.startswith(pattern[:-1]) if pattern.endswith("*") else pattern == event_type for pattern in patterns
    )


def check_event_types(patterns: Sequence[str]) -> list[str]:
    """The patterns, each once. Raises UnknownEventType for one that no news will ever match."""
    if not patterns:
        raise UnknownEventType(_("Name at least one event type; * is all of them."), attr="event_types")
    for pattern in patterns:
        if not _PATTERN.fullmatch(pattern) or not any(hears([pattern], known) for known in _types):
            groups = ", ".join(sorted({f"{known.partition('.')[0]}.*" for known in _types}))
            raise UnknownEventType(
                _("There is no event type %(type)s. Use *, one of %(groups)s, or a single type of docs/webhooks.md.")
                % {"type": pattern[:60], "groups": groups},
                attr="event_types",
            )
    return list(dict.fromkeys(patterns))


def new_secret() -> str:
    """A signing secret of 256 random bits, in the form of the specification."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def create(
    merchant: Merchant, *, url: str, event_types: Sequence[str], description: str = "", contact_email: str = ""
) -> tuple[WebhookEndpoint, str]:
    """Add an endpoint; returns it with its signing secret, which is shown this once.

    Raises BadAddress, UnknownEventType and TooManyEndpoints.
    """
    patterns = check_event_types(event_types)
    addresses.check_url(url)
    secret = new_secret()
    with transaction.atomic():
        Merchant.objects.select_for_update(no_key=True).get(pk=merchant.pk)
        living = merchant.webhook_endpoints.exclude(state=EndpointState.REMOVED)
        most = settings.WEBHOOKS_ENDPOINTS_PER_MERCHANT
        if living.count() >= most:
            raise TooManyEndpoints(
                _("A merchant has at most %(most)d endpoints. Remove one that is not used any more.") % {"most": most}
            )
        endpoint = WebhookEndpoint.objects.create(
            merchant=merchant,
            url=url,
            event_types=patterns,
            description=description,
            contact_email=contact_email,
            secret=seal(secret),
        )
    return WebhookEndpoint.objects.get(pk=endpoint.pk), secret


def change(
    endpoint_id: int,
    *,
    version: int | None = None,
    url: str | None = None,
    event_types: Sequence[str] | None = None,
    description: str | None = None,
    contact_email: str | None = None,
    state: str | None = None,
    because: DisabledBecause = DisabledBecause.MERCHANT,
) -> WebhookEndpoint:
    """Change what is given, all of it or nothing and in one step of the version; `state` is enabled, or disabled
    `because` of that. What is so already makes no step.

    Enabling sends again, what waited first. While disabled, news of the time is not kept for it. Raises BadAddress,
    LookupUnfinished, UnknownEventType, and ChangedMeanwhile if `version` is out of date or it was removed.
    """
    given: dict[str, object] = {"description": description, "contact_email": contact_email, "url": url}
    if event_types is not None:
        given["event_types"] = check_event_types(event_types)
    if url is not None:
        addresses.check_url(url)
    elif state == EndpointState.ENABLED:
        addresses.check_url(WebhookEndpoint.objects.values_list("url", flat=True).get(pk=endpoint_id))
    with transaction.atomic():
        endpoint = _locked(endpoint_id, version)
        changes = {k: value for k, value in given.items() if value is not None and getattr(endpoint, k) != value}
        for name, value in changes.items():
            setattr(endpoint, name, value)
        moves = state is not None and state != endpoint.state
        if moves and state == EndpointState.ENABLED:
            endpoint.enable()
        elif moves:
            endpoint.disable(because)
        if changes or moves:
            endpoint.save()
    return WebhookEndpoint.objects.get(pk=endpoint_id)


def enable(endpoint_id: int, *, version: int | None = None) -> WebhookEndpoint:
    """Send again, what waited first. Raises as `change` does."""
    return change(endpoint_id, version=version, state=EndpointState.ENABLED)


def disable(endpoint_id: int, *, because: DisabledBecause, version: int | None = None) -> WebhookEndpoint:
    """Send nothing more until somebody enables it. Raises as `change` does."""
    return change(endpoint_id, version=version, state=EndpointState.DISABLED, because=because)


@transaction.atomic
def remove(endpoint_id: int, *, version: int | None = None) -> None:
    """Take the endpoint away; what waited for it has failed. Its log stays until it is purged.

    Raises ChangedMeanwhile.
    """
    waiting = WebhookDelivery.objects.filter(endpoint=endpoint_id, state=DeliveryState.PENDING).order_by("id")
    # The sender holds deliveries when it comes to their endpoints: so first what waits, then the endpoint.
    list(waiting.select_for_update(no_key=True).values_list("id", flat=True))
    endpoint = _locked(endpoint_id, version)
    endpoint.remove()
    endpoint.save()
    # With what came in between, unless a sender has it: `purging` sees to that.
    free = waiting.select_for_update(no_key=True, skip_locked=True).values("id")
    WebhookDelivery.objects.filter(id__in=free).update(
        state=DeliveryState.FAILED, lease_until=None, last_error="the endpoint was removed"
    )


@transaction.atomic
def rotate_secret(endpoint_id: int, *, version: int | None = None) -> str:
    """Give the endpoint a new secret, shown this once; the old one goes on signing beside it for a day.

    Raises ChangedMeanwhile.
    """
    endpoint = _locked(endpoint_id, version)
    secret = new_secret()
    endpoint.old_secret, endpoint.secret = endpoint.secret, seal(secret)
    endpoint.old_secret_until = timezone.now() + OLD_SECRET_SIGNS_FOR
    endpoint.save(update_fields=["secret", "old_secret", "old_secret_until"])
    return secret


@transaction.atomic
def ping(endpoint_id: int) -> WebhookDelivery:
    """Send a test message, whatever the endpoint subscribed to. Raises NotEnabled."""
    endpoint = _locked(endpoint_id)
    if endpoint.state != EndpointState.ENABLED:
        raise NotEnabled(_("The endpoint is not enabled. Enable it first."))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH event AS (
                INSERT INTO merchants_webhookevent (message_id, merchant_id, type, occurred_at, data)
                VALUES ('msg_' || replace(gen_random_uuid()::text, '-', ''), %s, %s, now(), %s) RETURNING id
            )
            INSERT INTO merchants_webhookdelivery (public_id, event_id, endpoint_id, state)
            SELECT 'dlv_' || left(replace(gen_random_uuid()::text, '-', ''), 24), id, %s, '{DeliveryState.PENDING}'
            FROM event
            RETURNING id
            """,
            [endpoint.merchant_id, PING, json.dumps({"endpoint": endpoint.public_id}), endpoint.pk],
        )
        (key,) = cursor.fetchone()
    return WebhookDelivery.objects.select_related("event", "endpoint").get(pk=key)


@transaction.atomic
def resend(delivery_id: int) -> WebhookDelivery:
    """Send a message once more, now and with all tries, under its own id. Raises NotEnabled."""
    delivery = WebhookDelivery.objects.select_for_update(no_key=True).get(pk=delivery_id)
    endpoint = WebhookEndpoint.objects.get(pk=delivery.endpoint_id)
    if endpoint.state != EndpointState.ENABLED:
        raise NotEnabled(_("The endpoint is not enabled. Enable it first."))
    if delivery.state != DeliveryState.PENDING:
        delivery.send_again()
        delivery.attempts = 0
    delivery.ready_at = timezone.now()
    delivery.save(update_fields=["state", "attempts", "ready_at"])
    return WebhookDelivery.objects.select_related("event", "endpoint").get(pk=delivery_id)


def send_notices() -> int:
    """Tell the contacts of endpoints that were disabled by themselves; returns how many were handled.

    Goes on where it ended if the mail server fails: an endpoint is marked only after its mail is out. Nobody is told
    while what goes out is stopped.
    """
    if outbound.is_stopped():
        return 0
    due = WebhookEndpoint.objects.filter(notice_due=True).order_by("id")
    for endpoint in due:
        if endpoint.contact_email:
            try:
                _mail(endpoint)
            except SMTPRecipientsRefused:
                # The address's fault; the others must still be told.
                logger.warning("the mail server refuses the contact of webhook endpoint %s", endpoint.public_id)
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(notice_due=False)
    return len(due)


def _mail(endpoint: WebhookEndpoint) -> None:
    values = {
        "url": endpoint.url,
        "endpoint": endpoint.public_id,
        "reason": endpoint.get_disabled_because_display(),
    }
    send_mail(
        _("Your webhook endpoint %(endpoint)s was disabled") % values,
        _(
            "Nothing is sent any more to %(url)s (%(endpoint)s).\nReason: %(reason)s.\n\n"
            "What waited for it is kept. When it works again, enable it: PATCH /api/v1/webhook-endpoints/%(endpoint)s"
            ' with {"state": "enabled"}, and its version in If-Match.\n'
        )
        % values,
        settings.DEFAULT_FROM_EMAIL,
        [endpoint.contact_email],
    )


def _locked(endpoint_id: int, version: int | None = None) -> WebhookEndpoint:
    endpoint = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint_id)
    if endpoint.state == EndpointState.REMOVED or version not in (None, endpoint.version):
        raise ChangedMeanwhile(_("Somebody else changed this meanwhile. Read it again and repeat if need be."))
    return endpoint
