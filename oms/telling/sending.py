"""Sending the messages to mailboxes and robots of merchants, as those of the staff's alerts are sent."""

from collections.abc import Mapping, Sequence

from logistics.watching.robots import Notice, sending
from oms.common.work import calling
from oms.merchants.models import MerchantTelling
from oms.telling import wording
from oms.telling.gathering import NAME


def _word(telling_ids: Sequence[int]) -> Mapping[int, Notice]:
    tellings = MerchantTelling.objects.filter(pk__in=telling_ids).select_related("receiver__merchant")
    said = wording.contents_of(telling_ids)
    return {one.pk: wording.notice_of(one, said.get(one.pk, [])) for one in tellings}


CALL = sending.call_for(MerchantTelling, "q.sent_at IS NULL AND q.connection_id IS NOT NULL", _word)
STAGE = calling.outside_stage(NAME, CALL)
run = STAGE.run
