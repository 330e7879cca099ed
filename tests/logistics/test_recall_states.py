"""What answers and scans make of a recall, for every answer, place of the parcel and state that there is."""

from itertools import product

import pytest

from logistics.carriers.recalling.following import state_of
from logistics.models import RecallAnswer, RecallKind, RecallState, ShipmentState

A, K, S, P = RecallAnswer, RecallKind, RecallState, ShipmentState
BACK = (P.REJECTED, P.RETURNING, P.RETURNED)
MOVING = (P.WAYBILL_ISSUED, P.COLLECTED, P.IN_TRANSIT, P.OUT_FOR_DELIVERY, P.FAILED_DELIVERY)


@pytest.mark.parametrize(("answer", "now"), list(product(A, S)))
def test_whatever_was_answered_a_parcel_asked_back_is_where_its_scans_say(answer: A, now: S) -> None:
    for parcel in BACK:
        assert state_of(K.RETURN, answer, parcel, now) == S.SUCCEEDED
        assert state_of(K.REDIRECT, answer, parcel, now) == S.FAILED
    for parcel in (P.SIGNED, P.LOST):
        assert state_of(K.RETURN, answer, parcel, now) == S.FAILED
    assert state_of(K.REDIRECT, answer, P.LOST, now) == S.FAILED
    arrived = S.SUCCEEDED if answer == A.TAKEN else S.FAILED
    assert state_of(K.REDIRECT, answer, P.SIGNED, now) == arrived


@pytest.mark.parametrize(("kind", "parcel"), list(product(K, MOVING)))
def test_on_its_way_the_answer_decides_and_what_ended_stays_so(kind: K, parcel: P) -> None:
    for now in (S.ASKED, S.ACCEPTED):
        assert state_of(kind, A.TAKEN, parcel, now) == S.ACCEPTED
        assert state_of(kind, A.REFUSED, parcel, now) == S.FAILED
        assert state_of(kind, A.NONE, parcel, now) == now
    for now, answer in product((S.FAILED, S.SUCCEEDED), A):
        assert state_of(kind, answer, parcel, now) == now


@pytest.mark.parametrize("answer", A)
def test_a_parcel_that_is_being_stopped_proves_that_the_carrier_tries(answer: A) -> None:
    assert state_of(K.RETURN, answer, P.INTERCEPTING, S.ASKED) == S.ACCEPTED
