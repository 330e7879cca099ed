"""Who logs in to the pages for people: wrong passwords are counted, and a password made by somebody else is changed.

django-axes keeps the count, in the database. A name that was given wrong passwords too often from one address must wait
there, and so must an address that tried too many names; others are not held up.
"""

import ipaddress
from collections.abc import Callable, Mapping
from copy import copy
from functools import wraps
from types import MappingProxyType
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_client_username, get_cool_off
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max, Q, Sum
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.functional import Promise, SimpleLazyObject
from django.utils.http import urlencode
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from unfold.forms import AdminOwnPasswordChangeForm, AuthenticationForm
from unfold.sites import UnfoldAdminSite

from oms.common import typed
from oms.common.access import log, second_factor, sessions
from oms.common.access.second_factor import Standing
from oms.common.access.second_factor_page import second_factor_view
from oms.common.desk.menu import menu
from oms.common.door.requests import caller_address
from oms.common.models import OneTimePassword, SecurityEvent, SecurityEventKind

_OWN = "has_own_password"  # in the session: that nobody else made the password
_LONGEST_NAME = 255
# How a session may stand that must not see anything yet.
_LACKING = (Standing.ASKED_FOR, Standing.TO_SET_UP)


class LogInCounter(AxesDatabaseHandler):
    """Counts wrong passwords by name and address, and by address alone up to a larger number."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """How often it went wrong: as often as the limit says where the address alone has used up its own."""
        address: str | None = request.axes_ip_address  # type: ignore[attr-defined]
        of_name = Q(username=get_client_username(request, credentials))
        found = AccessAttempt.objects.filter(
            ip_address=address, attempt_time__gt=get_cool_off_threshold(request)
        ).aggregate(
            of_name=Sum("failures_since_start", filter=of_name, default=0),
            of_all=Sum("failures_since_start", default=0),
            last_of_name=Max("attempt_time", filter=of_name),
            last=Max("attempt_time"),
        )
        if found["of_name"] >= settings.AXES_FAILURE_LIMIT:
            _note_wait(request, found["last_of_name"])
        elif address is not None and found["of_all"] >= settings.LOGIN_FAILURES_PER_ADDRESS:
            _note_wait(request, found["last"])
            return settings.AXES_FAILURE_LIMIT
        return found["of_name"]


def _note_wait(request: HttpRequest, since: Any) -> None:
    seconds = (since + get_cool_off(request) - now()).total_seconds()
    request.log_in_wait_seconds = max(1, round(seconds))  # type: ignore[attr-defined]


def counted_address(request: HttpRequest) -> str | None:
    """The address that wrong passwords are counted for; a subscriber of IPv6 has 2^64 of them, which count as one."""
    try:
        address = ipaddress.ip_address(caller_address(request))
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(address), 64), strict=False).network_address)
    return str(address)


def counted_name(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """The name that wrong passwords are counted for, no longer than can be kept."""
    given = credentials if credentials is not None else request.POST
    return str(given.get("username") or "").replace("\0", "")[:_LONGEST_NAME]


def tell_to_wait(request: HttpRequest, response: HttpResponse, credentials: object) -> HttpResponse:
    """The log-in page with its error, as an answer that says for how many seconds it is of no use to try again."""
    response.status_code = 429
    response["Retry-After"] = str(getattr(request, "log_in_wait_seconds", settings.LOGIN_COOL_OFF_SECONDS))
    return response


class LogInForm(AuthenticationForm):
    """Name and password; says so where they are not even looked at any more."""

    def get_invalid_login_error(self) -> ValidationError:
        """That it was wrong, or that it was wrong too often."""
        seconds: int | None = getattr(self.request, "log_in_wait_seconds", None)
        if not getattr(self.request, "axes_locked_out", False) or seconds is None:
            return super().get_invalid_login_error()
        minutes = -(-seconds // 60)
        return ValidationError(
            ngettext(
                "Too many wrong passwords came from here. Wait %(minutes)d minute, or ask an administrator.",
                "Too many wrong passwords came from here. Wait %(minutes)d minutes, or ask an administrator.",
                minutes,
            )
            % {"minutes": minutes},
            code="too_many_failures",
        )


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """Changes one's own password into another."""

    def clean_new_password1(self) -> str:
        """Raises ValidationError for the password that it was."""
        chosen: str = self.cleaned_data["new_password1"]
        if self.user.check_password(chosen):
            raise ValidationError(_("Choose another password than the one that you have."), code="same_password")
        return chosen

    @transaction.atomic
    def save(self, commit: bool = True) -> Any:
        """The password is the user's own now."""
        OneTimePassword.objects.filter(user_id=self.user.pk).delete()
        return super().save(commit)


class GuardedSite(UnfoldAdminSite):
    """A site of pages for people who log in."""

    login_form = LogInForm
    # What a list without rows says, by its model's label.
    empty_lists: Mapping[str, str | Promise] = MappingProxyType({})

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """What every page has, also what somebody typed before something went wrong."""
        return {**super().each_context(request), "typed_before": typed.take(request)}

    def get_sidebar_list(self, request: HttpRequest) -> Any:
        """The menu, drawn: the template that Unfold gives it to only puts it in its place."""
        return menu(self.settings_name, request)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """Every list of the site, worked out where a page shows it: most pages have the menu alone."""
        return SimpleLazyObject(lambda: super(GuardedSite, self).get_app_list(request, app_label))

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        """The view, for those who may see it; with a password made by somebody else, only the page to change it.

        Whose session ended while they filled in a form logs in and finds it again.
        """
        guarded = super().admin_view(view, cacheable)
        if view in (self.password_change, self.logout, self.i18n_javascript):
            return guarded

        @wraps(guarded)
        def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            _drop_nul(request)
            if request.user.is_authenticated:
                sessions.end_if_over(request)
            if not self.has_permission(request):
                return self._ask_again(request) if request.method == "POST" else guarded(request, *args, **kwargs)
            if not _has_own_password(request):
                messages.warning(
                    request, _("Somebody else made the password that you logged in with. Choose one of your own first.")
                )
                return redirect(reverse(f"{self.name}:password_change", current_app=self.name))
            if view != self.second_factor and second_factor.standing(request) in _LACKING:
                return self._ask_for_factor(request)
            return guarded(request, *args, **kwargs)

        return asked

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Also the page that asks for the second factor."""
        return [path("second-factor/", self.admin_view(self.second_factor), name="second_factor"), *super().get_urls()]

    def second_factor(self, request: HttpRequest) -> HttpResponse:
        """The page that asks for the second factor."""
        return second_factor_view(self, request)

    def first_page(self, request: HttpRequest) -> str:
        """The address of the page that comes after the log-in."""
        return reverse(f"{self.name}:index")

    def _ask_for_factor(self, request: HttpRequest) -> HttpResponse:
        """The page that asks for the second factor, before the page that was asked for or stood a posted form on."""
        wanted = request.get_full_path()
        if request.method == "POST":
            was = typed.of(request)
            typed.keep(request, was)
            wanted = was.page
        address = reverse(f"{self.name}:second_factor", current_app=self.name)
        return redirect(f"{address}?{urlencode({'next': wanted})}")

    def _ask_again(self, request: HttpRequest) -> HttpResponse:
        """The log-in page in place of what a form that was posted without a session asked for."""
        was = typed.of(request)
        asking = copy(request)
        asking.method = "GET"
        asking.POST = QueryDict()  # type: ignore[misc, assignment]
        address = reverse(f"{self.name}:login", current_app=self.name)
        context = {"app_path": f"{address}?{urlencode({'next': was.page})}", "unsent": typed.sign(was)}
        response = self.login(asking, context)
        response.status_code = 403
        return response

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The log-in page; after it comes the page that was asked for, with the form that was not sent before."""
        sealed = request.POST.get("unsent", "")
        context = {"unsent": sealed, **(extra_context or {})}
        response = super().login(request, context)
        if request.method == "POST":
            _record(request, response)
            if response.status_code == 302 and response["Location"] == reverse(f"{self.name}:index"):
                response["Location"] = self.first_page(request)
        was = typed.read_signed(sealed) if sealed and response.status_code == 302 else None
        if was is not None:
            typed.keep(request, was)
            messages.warning(
                request, _("Your session had ended, so nothing was done. Look at what you typed and send it again.")
            )
        return response

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The end of the session."""
        if request.method == "POST" and request.user.is_authenticated:
            log.note(SecurityEventKind.LOGGED_OUT, request.user, request=request)
        return super().logout(request, extra_context)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        """The page to change one's own password."""
        request.current_app = self.name  # type: ignore[attr-defined]
        response = PasswordChangeView.as_view(
            form_class=OwnPasswordForm,
            template_name="registration/password_change_form.html",
            success_url=reverse(f"{self.name}:password_change_done", current_app=self.name),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )(request)
        if request.method == "POST" and response.status_code == 302:
            log.note(SecurityEventKind.PASSWORD_CHANGED, request.user, request=request)
        return response


def _record(request: HttpRequest, response: HttpResponse) -> None:
    """Write into the security log that somebody logged in, or was refused; of those who must wait, once a wait."""
    if response.status_code == 302 and request.user.is_authenticated:
        log.note(SecurityEventKind.LOGGED_IN, request.user, request=request)
        return
    values = {"must_wait": bool(getattr(request, "axes_locked_out", False))}
    if values["must_wait"]:
        since = now() - get_cool_off(request)  # type: ignore[operator]
        refused = SecurityEvent.objects.filter(kind=SecurityEventKind.LOG_IN_REFUSED, at__gt=since)
        if refused.filter(address=log.address_of(request), values__must_wait=True).exists():
            return
    log.note(SecurityEventKind.LOG_IN_REFUSED, None, person=counted_name(request, None), request=request, values=values)


def _drop_nul(request: HttpRequest) -> None:
    """Forget the character that no column can hold and nobody can type."""
    if "%00" in request.META.get("QUERY_STRING", ""):
        request.GET = _without_nul(request.GET)  # type: ignore[misc, assignment]
    if request.method == "POST" and any("\0" in text for values in request.POST.lists() for text in values[1]):
        request.POST = _without_nul(request.POST)  # type: ignore[misc, assignment]


def _without_nul(given: QueryDict) -> QueryDict:
    clean = QueryDict(mutable=True)
    for name, values in given.lists():
        clean.setlist(name.replace("\0", ""), [str(value).replace("\0", "") for value in values])
    clean._mutable = False
    return clean


def _has_own_password(request: HttpRequest) -> bool:
    """Looked up once a session: a password that is made anew ends the sessions of its user."""
    if not request.session.get(_OWN):
        if OneTimePassword.objects.filter(user=request.user.pk).exists():
            return False
        request.session[_OWN] = True
    return True
