"""The words of the 奇门 form and what they mean here."""

from inventory.models import Quality
from logistics.warehouses.notices import Notice

# How far a document is (orderprocess.report), and what a confirmation's status says. All other words are noted.
PROCESSES = {
    "ACCEPT": Notice.ACCEPTED,
    "PRINT": Notice.ACCEPTED,
    "PICK": Notice.PICKING,
    "CHECK": Notice.PICKING,
    "PACKAGE": Notice.PACKED,
    "WEIGH": Notice.PACKED,
    "READY": Notice.PACKED,
    "CANCELED": Notice.STOPPED,
    "CLOSED": Notice.STOPPED,
    "REJECT": Notice.REFUSED,
    "CANCELEDFAIL": Notice.NOT_STOPPED,
    "EXCEPTION": Notice.TROUBLE,
    "REFUSE": Notice.TROUBLE,
}
# It left; how much of it is another matter.
LEFT = ("", "DELIVERED", "PARTDELIVERED")
# Kinds of documents that are warehouse orders; the others bring goods in, or move them.
SALES = ("", "JYCK", "HHCK", "BFCK", "QTCK")
FINAL, INTERMEDIATE = "0", "1"

QUALITIES = {
    "": Quality.GOOD,
    "ZP": Quality.GOOD,
    "CC": Quality.DEFECTIVE,
    "JS": Quality.DAMAGED,
    "XS": Quality.BOX_DAMAGED,
}
# On the way to it: not there, whatever its quality.
ON_ITS_WAY = "ZT"
IS_PHYSICAL = "实物报缺"
