"""The security log: log-ins, looks at personal data, exports, changes of rights."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest
from django.utils import timezone

from oms.common.door.requests import caller_address
from oms.common.models import SecurityEvent, SecurityEventKind

_LONGEST_NAME = 150


@dataclass(frozen=True, slots=True)
class Subject:
    """What an entry is about: a kind of rows (`app.model`), the key, and how people call it."""

    kind: str
    key: int
    name: str


def note(
    kind: SecurityEventKind,
    user: AbstractBaseUser | AnonymousUser | None,
    *,
    request: HttpRequest | None = None,
    person: str = "",
    about: Subject | None = None,
    reason: str = "",
    remark: str = "",
    values: Mapping[str, Any] | None = None,
) -> SecurityEvent:
    """Write an entry: what the user did, or where none is known, who calls itself `person`; `values` are codes and
    numbers. In the transaction of what it tells, if that has one."""
    name = user.get_username() if user is not None else person
    return SecurityEvent.objects.create(
        kind=kind,
        at=timezone.now(),
        user_key=user.pk if user is not None else None,
        person=name[:_LONGEST_NAME],
        address=address_of(request),
        subject_kind=about.kind if about else "",
        subject_id=about.key if about else None,
        subject=about.name[:_LONGEST_NAME] if about else "",
        reason=reason,
        note=remark,
        values=dict(values or {}),
    )


def address_of(request: HttpRequest | None) -> str | None:
    """Where the request came from; None where that is no address, such as a socket of this machine."""
    try:
        return str(ipaddress.ip_address(caller_address(request))) if request is not None else None
    except ValueError:
        return None
