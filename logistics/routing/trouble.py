"""What stations and couriers are refused."""

from oms.common.errors import OmsError


class CannotPlan(OmsError):
    """The plan cannot be changed like that."""

    code = "cannot_plan"


class ShiftsOver(CannotPlan):
    """Nothing can be brought in what is left of the day's shifts."""

    code = "shifts_over"


class NotYours(OmsError):
    """The courier has no such stop."""

    code = "not_yours"
    status_code = 404


class WrongReport(OmsError):
    """What is told from the door cannot be right."""

    code = "wrong_report"
