"""The courier's page on the phone: the stops of the day in their order, and what became of each. Without scripts; what
is posted twice is told once."""

import re
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from logistics.models import Courier, DoorReport, Outcome, PlanState, Stop, Tour
from logistics.routing import access, planning, recipients, working
from logistics.routing.trouble import NotYours, WrongReport
from logistics.routing.working import Report
from oms.common.errors import OmsError
from oms.common.zones import CHINA

_KEY = re.compile(r"[0-9a-f]{32}")
_LONGEST = 100


@never_cache
@require_http_methods(["GET", "POST"])
def courier_view(request: HttpRequest, token: str) -> HttpResponse:
    """The tour of today; by POST the PIN, a scanned waybill, or that the courier goes out."""
    courier = access.courier_of(token)
    if courier is None:
        raise Http404
    if not access.is_believed(request, courier):
        return _ask_for_pin(request, courier)
    refusal = ""
    if request.method == "POST":
        try:
            if request.POST.get("action") == "go":
                working.set_out(courier.pk, planning.today())
                return redirect(request.path)
            return redirect("courier_stop", token, _find(courier, request.POST.get("waybill", "")))
        except OmsError as error:
            refusal = str(error)
    return _tour_page(request, courier, refusal)


@never_cache
@require_http_methods(["GET", "POST"])
def stop_view(request: HttpRequest, token: str, stop_id: int) -> HttpResponse:
    """One stop; by POST what became of it."""
    courier = access.courier_of(token)
    if courier is None:
        raise Http404
    if not access.is_believed(request, courier):
        return redirect("courier", token)
    try:
        stop = working.find_stop(courier.pk, stop_id)
    except NotYours as error:
        raise Http404 from error
    refusal, wrong = "", ""
    if request.method == "POST":
        try:
            working.report(courier.pk, stop_id, _read(request, stop.plan.day))
        except OmsError as error:
            refusal, wrong = str(error), error.attr or ""
        else:
            return redirect("courier", token)
    return _stop_page(request, courier, stop, token, refusal, wrong)


def _ask_for_pin(request: HttpRequest, courier: Courier) -> HttpResponse:
    refusal, status = "", 200
    if request.method == "POST":
        try:
            access.check(courier, request.POST.get("pin", ""))
        except OmsError as error:
            refusal, status = str(error), error.status_code
        else:
            on = redirect(request.path)
            access.believe(on, courier, request.path)
            return on
    response = render(request, "logistics/courier_pin.html", {"refusal": refusal}, status=status)
    if status == 429:
        response.headers["Retry-After"] = str(int(access.WITHIN.total_seconds()))
    return response


def _tour_page(request: HttpRequest, courier: Courier, refusal: str) -> HttpResponse:
    """As many statements for many stops as for one."""
    day = planning.today()
    tours = Tour.objects.filter(courier=courier, plan__day=day, plan__state=PlanState.PUBLISHED)
    tour = tours.select_related("plan", "vehicle").first()
    reports = DoorReport.objects.filter(courier=courier, day=day)
    stops = []
    if tour is not None:
        rows = Stop.objects.filter(tour=tour, is_in_force=True).select_related("parcel").order_by("position")
        stops = list(rows.prefetch_related(Prefetch("parcel__reports", reports, to_attr="told")))
    people = recipients.of([stop.parcel_id for stop in stops])
    shown = [
        {
            "row": stop,
            "report": stop.parcel.told[0] if stop.parcel.told else None,
            "to": people[stop.parcel_id].masked,
        }
        for stop in stops
    ]
    context = {
        "courier": courier,
        "day": day,
        "tour": tour,
        "stops": shown,
        "left": sum(1 for one in shown if one["report"] is None),
        "cash": sum((report.cash for report in reports), Decimal(0)),
        "next": next((one["row"].pk for one in shown if one["report"] is None), None),
        "refusal": refusal,
    }
    return render(request, "logistics/courier.html", context, status=404 if refusal else 200)


def _stop_page(
    request: HttpRequest, courier: Courier, stop: Stop, token: str, refusal: str, wrong: str
) -> HttpResponse:
    report = DoorReport.objects.filter(parcel=stop.parcel, courier=courier, day=stop.plan.day).first()
    person = recipients.of([stop.parcel_id])[stop.parcel_id]
    is_needed = report is None and stop.is_in_force and stop.plan.day == planning.today()
    key = request.POST.get("key", "") if refusal else ""
    context = {
        "courier": courier,
        "token": token,
        "stop": stop,
        "parcel": stop.parcel,
        "to": person if is_needed else person.masked,
        "is_needed": is_needed,
        "report": report,
        "key": key if _KEY.fullmatch(key) else working.new_key(),
        "refusal": refusal,
        "wrong": wrong,
        "typed": request.POST if refusal else {},
        "most_mb": working.MOST_PHOTO_BYTES >> 20,
    }
    return render(request, "logistics/courier_stop.html", context, status=409 if refusal else 200)


def _find(courier: Courier, waybill: str) -> int:
    """The courier's stop of today with the waybill. Raises NotYours."""
    found = Stop.objects.filter(
        tour__courier=courier,
        plan__day=planning.today(),
        plan__state=PlanState.PUBLISHED,
        is_in_force=True,
        parcel__waybill=waybill.strip().upper()[:40],
    ).first()
    if found is None:
        raise NotYours(_("No parcel of your tour has this waybill. Bring it back to the station."), attr="waybill")
    return found.pk


def _read(request: HttpRequest, day: date) -> Report:
    """What the form says. Raises WrongReport naming the field."""
    data = request.POST
    if not _KEY.fullmatch(data.get("key", "")):
        raise WrongReport(_("Open the stop again, then tell it."), attr="key")
    try:
        outcome = Outcome(data.get("outcome", ""))
    except ValueError as error:
        raise WrongReport(_("Say what became of it."), attr="outcome") from error
    try:
        cash = Decimal(data.get("cash", "").strip() or "0")
    except InvalidOperation as error:
        raise WrongReport(_("That is no amount."), attr="cash") from error
    if not cash.is_finite():
        raise WrongReport(_("That is no amount."), attr="cash")
    photo: Any = request.FILES.get("photo")
    return Report(
        data["key"],
        outcome,
        _moment(data.get("at", ""), day),
        data.get("signed_by", "")[:40].replace("\x00", ""),
        data.get("reason", "")[:_LONGEST].replace("\x00", ""),
        cash,
        photo if isinstance(photo, UploadedFile) else None,
    )


def _moment(given: str, day: date) -> datetime:
    """When it was: now, unless a time of the tour's day is given. Raises WrongReport."""
    now = timezone.now()
    if not given.strip():
        return now
    try:
        at = datetime.combine(day, time.fromisoformat(given.strip()), CHINA)
    except (ValueError, TypeError) as error:
        raise WrongReport(_("Write the time as 14:30."), attr="at") from error
    if at > now:
        raise WrongReport(_("That time is still to come."), attr="at")
    return at
