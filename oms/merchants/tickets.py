"""How what merchants are told is named on tickets."""

from oms.common import tickets
from oms.common.desk.ticket_words import rows_of
from oms.merchants.models import MerchantTelling

tickets.register_subject(MerchantTelling.ticket_subject.kind, rows_of(MerchantTelling, "receiver__name"))
