"""The second factor of a log-in: a code of an authenticator app, or one of the recovery codes that come with it."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from oms.common.access import log, roles
from oms.common.errors import OmsError
from oms.common.models import Authenticator, RecoveryCode, SecurityEventKind
from oms.common.secrecy import seal

RECOVERY_CODES = 10
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # nothing that people take for something else
_STANDING = "second_factor"  # in the session


class Standing(StrEnum):
    """How a session stands with its second factor."""

    GIVEN = "given"
    NOT_NEEDED = "not_needed"
    ASKED_FOR = "asked_for"
    TO_SET_UP = "to_set_up"


class WrongCode(OmsError):
    """The code is wrong, was used before, or comes too soon after a wrong one."""

    code = "wrong_code"
    status_code = 403


def standing(request: HttpRequest) -> Standing:
    """How the session of the request stands; looked up where it does not know yet."""
    known: str | None = request.session.get(_STANDING)
    if known is None:
        look_again(request)
        known = request.session[_STANDING]
    return Standing(known)


def look_again(request: HttpRequest) -> None:
    """Note how the session stands by what is needed and set up now; two statements, one where an app is set up."""
    has_app = Authenticator.objects.filter(user=request.user.pk, confirmed=True).exists()
    if has_app:
        is_given = request.session.get(_STANDING) == Standing.GIVEN
        found = Standing.GIVEN if is_given else Standing.ASKED_FOR
    else:
        found = Standing.TO_SET_UP if roles.needs_second_factor(request.user) else Standing.NOT_NEEDED
    if request.session.get(_STANDING) != found:
        request.session[_STANDING] = found


@transaction.atomic
def begin(user: AbstractBaseUser) -> Authenticator:
    """The app that the user is about to set up, with a secret that stays until it is confirmed. Raises OmsError where
    one is set up already."""
    app, _is_new = Authenticator.objects.select_for_update().get_or_create(
        user=user, defaults={"confirmed": False, "secret": seal(secrets.token_hex(20))}
    )
    if app.confirmed:
        raise OmsError(_("You have an authenticator app already. An administrator can remove it."))
    return app


def confirm(request: HttpRequest, code: str) -> Sequence[str]:
    """Take the app into use by a first code of it. Returns the recovery codes, which are shown this once. Raises
    WrongCode."""
    with transaction.atomic():
        app = _locked(request.user)
        if app is not None and not app.confirmed and _is_right(app, code):
            app.confirmed = True
            app.save()
            codes = _new_codes(request.user.pk or 0)
            log.note(SecurityEventKind.FACTOR_SET_UP, request.user, request=request)
            _give(request)
            return codes
    raise _refused(request)


def check(request: HttpRequest, code: str) -> None:
    """Let the session in by a code of the app or a recovery code. Raises WrongCode."""
    with transaction.atomic():
        app = _locked(request.user)
        if app is not None and app.confirmed and app.verify_is_allowed()[0]:
            if _is_right(app, code):
                _give(request)
                return
            unused = RecoveryCode.objects.filter(user=request.user.pk, digest=_digest(code), used_at=None)
            if unused.update(used_at=timezone.now()):
                app.throttle_reset()
                left = RecoveryCode.objects.filter(user=request.user.pk, used_at=None).count()
                log.note(SecurityEventKind.FACTOR_RECOVERED, request.user, request=request, values={"left": left})
                _give(request)
                return
    raise _refused(request)


@transaction.atomic
def remove(user: AbstractBaseUser, *, by: HttpRequest) -> bool:
    """Take the user's app and recovery codes away; returns whether there was one. Its sessions notice within a
    minute."""
    RecoveryCode.objects.filter(user=user.pk).delete()
    had_one = Authenticator.objects.filter(user=user.pk).delete()[0] > 0
    if had_one:
        about = log.Subject("auth.user", user.pk, user.get_username())
        log.note(SecurityEventKind.FACTOR_REMOVED, by.user, request=by, about=about)
    return had_one


def seconds_to_wait(user: AbstractBaseUser) -> int:
    """For how long no code of the user is looked at."""
    app = Authenticator.objects.filter(user=user.pk).first()
    is_allowed, why = app.verify_is_allowed() if app else (True, None)
    if is_allowed or why is None:
        return 0
    return max(1, -(-(why["locked_until"] - timezone.now()) // timedelta(seconds=1)))


def _locked(user: object) -> Authenticator | None:
    return Authenticator.objects.select_for_update().filter(user=getattr(user, "pk", None)).first()


def _is_right(app: Authenticator, code: str) -> bool:
    digits = code.replace(" ", "")
    is_right = app.verify_is_allowed()[0] and app.accept(digits)
    if is_right:
        app.save()
    return is_right


def _give(request: HttpRequest) -> None:
    # A new key: what somebody may have learned of the session before it was let in is worth nothing after.
    request.session.cycle_key()
    request.session[_STANDING] = Standing.GIVEN


def _refused(request: HttpRequest) -> WrongCode:
    log.note(SecurityEventKind.FACTOR_REFUSED, request.user, request=request)
    return WrongCode(_("This code is not right, or was used already. Wait for the next one."), attr="code")


def _new_codes(user_id: int) -> list[str]:
    RecoveryCode.objects.filter(user=user_id).delete()
    codes = ["".join(secrets.choice(_ALPHABET) for _place in range(10)) for _one in range(RECOVERY_CODES)]
    RecoveryCode.objects.bulk_create(RecoveryCode(user_id=user_id, digest=_digest(code)) for code in codes)
    return [f"{code[:5]}-{code[5:]}" for code in codes]


def _digest(code: str) -> str:
    plain = code.replace("-", "").replace(" ", "").lower()
    return salted_hmac("oms.common.access.recovery", plain, algorithm="sha256").hexdigest()
