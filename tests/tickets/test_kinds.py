"""Whatever may be opened can be read: kinds, subjects, teams and sentences are known."""

import re

import pytest
from django.contrib import admin
from django.test import Client
from django.utils import translation

import oms.urls  # noqa: F401 - brings the pages, which register how subjects are shown
from oms import pipeline  # noqa: F401 - brings the stages, which register their kinds
from oms.common import stuck, tickets
from oms.common.desk.ticket_words import words_of
from oms.common.models import Team, Ticket
from orders import tickets as orders_tickets
from tests import factories


def test_every_kind_has_a_subject_that_is_shown_and_a_team_that_exists() -> None:
    admin.autodiscover()
    assert {kind.subject_kind for kind in tickets.kinds().values()} <= tickets.subject_kinds().keys()
    assert {kind.team for kind in tickets.kinds().values()} <= set(Team.values)


def test_what_people_may_open_by_hand_is_offered_to_them() -> None:
    by_hand = {kind.code for kind in tickets.kinds().values() if kind.by_hand}
    assert by_hand == orders_tickets.BY_HAND.keys()


def test_every_row_that_a_stage_may_give_up_has_a_kind_of_ticket() -> None:
    for model, subject in stuck.marked_models():
        assert stuck.kind_of(model).subject_kind == subject.kind


def test_kinds_reasons_and_remedies_are_told_in_chinese_with_the_same_values() -> None:
    for kind in tickets.kinds().values():
        for text in (kind.title, kind.remedies, *kind.reasons.values()):
            with translation.override("en"):
                english = str(text)
            with translation.override("zh-hans"):
                chinese = str(text)
            names = re.compile(r"%\((\w+)\)[sd]|\{(\w+)\}")
            assert set(names.findall(chinese)) == set(names.findall(english))
            has_words = re.search("[a-z]", names.sub("", english))
            assert re.search("[\u4e00-\u9fff]", chinese) or not has_words, english


def test_a_kind_that_is_not_registered_opens_nothing(db: None) -> None:
    kind = tickets.TicketKind("made_up", "Made up", "order")
    with pytest.raises(LookupError, match="made_up"):
        tickets.open_tickets(kind, [tickets.Trouble(1)])
    assert not Ticket.objects.exists()


def test_reasons_are_worded_with_their_values_and_odd_ones_are_shown_as_they_are(
    broken: tickets.TicketKind, shop: factories.Shop
) -> None:
    order = shop.place_order()
    for reason, values, said in (
        ("", {}, "It is broken."),
        ("late", {"days": 3, "place": "WH-1"}, "Late by 3 days at WH-1."),
        ("late", {"days": 3}, "Late by 3 days at –."),
        ("late", {"place": "WH-1"}, "late place: WH-1"),
        ("new", {"a": 1}, "new a: 1"),
    ):
        tickets.open_tickets(broken, [tickets.Trouble(order.pk, reason, values, about_id=order.pk)])
        (words,) = words_of([Ticket.objects.get()])
        assert words.reason == said
        assert (words.title, words.subject.text, words.team) == ("Broken", order.number, "Finance")


def test_tickets_of_kinds_and_subjects_that_nobody_knows_any_more_are_still_shown(boss: Client) -> None:
    ticket = Ticket.objects.create(kind="gone", subject_kind="gone", subject_id=7, reason="x", team="gone")
    assert "#7" in boss.get("/admin/common/ticket/").content.decode()
    assert boss.get(f"/admin/common/ticket/{ticket.pk}/change/").status_code == 200
