"""What every call of the LOC interface has in common: the form of answers, error codes, words and times."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import IntEnum
from typing import Any, TypeVar

import msgspec
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.door import errors as api_errors
from oms.common.door.api import read_json
from oms.common.door.forms import wrong_json
from oms.common.errors import FieldError, OmsError, WrongFields
from oms.common.nesting import check_nesting, nested_too_deeply
from oms.common.zones import CHINA
from oms.doors.loc.models import LocOrder
from orders.api.scoping import OrderScopedView
from orders.intake.bodies import field_error
from orders.models import Order

CHANNEL = "loc"
# Words of `payment_status`.
PAID, UNPAID = "已支付", ("待支付", "未支付")
# The guide and its words are Chinese, so no message is in another language, whatever the caller reads.
_LANGUAGE = "zh-hans"
_TIME = "%Y-%m-%d %H:%M:%S"
# What comes in may also be as ISO 8601 writes it; the guide's own examples have both.
_TIMES = (_TIME, "%Y-%m-%dT%H:%M:%S")
Body = TypeVar("Body")


class Code(IntEnum):
    """The codes of answers; the first three digits are the HTTP status of the answer."""

    OK = 0
    INVALID = 40001
    NO_JSON = 40002
    UNAUTHORIZED = 40100
    FORBIDDEN = 40300
    ORDER_NOT_FOUND = 40401
    ITEM_NOT_FOUND = 40402
    USER_NOT_FOUND = 40403
    WAREHOUSE_NOT_FOUND = 40404
    NOT_FOUND = 40400
    METHOD = 40500
    REFUSED = 40900
    OTHER_CONTENT = 40901
    ILLEGAL_MOVE = 40902
    NO_PRICE = 40903
    PROMISED = 40904
    TOO_LARGE = 41300
    NOT_JSON = 41500
    TOO_MANY = 42900
    FAILED = 50000
    UNAVAILABLE = 50300


_REASONS = {
    Code.INVALID: "invalid_field",
    Code.NO_JSON: "invalid_json",
    Code.UNAUTHORIZED: "unauthorized",
    Code.FORBIDDEN: "forbidden",
    Code.ORDER_NOT_FOUND: "not_found",
    Code.ITEM_NOT_FOUND: "not_found",
    Code.USER_NOT_FOUND: "not_found",
    Code.WAREHOUSE_NOT_FOUND: "not_found",
    Code.NOT_FOUND: "not_found",
    Code.METHOD: "method_not_allowed",
    Code.REFUSED: "refused",
    Code.OTHER_CONTENT: "duplicate",
    Code.ILLEGAL_MOVE: "illegal_state",
    Code.NO_PRICE: "no_price",
    Code.PROMISED: "promised",
    Code.TOO_LARGE: "too_large",
    Code.NOT_JSON: "unsupported_media_type",
    Code.TOO_MANY: "too_many_calls",
    Code.FAILED: "failed",
    Code.UNAVAILABLE: "unavailable",
}


class LocError(OmsError):
    """A refusal with a code of the LOC interface; the HTTP status is the code's."""

    def __init__(self, code: Code, message: str, *, attr: str | None = None) -> None:
        super().__init__(message, attr=attr)
        self.loc_code = code
        self.code = _REASONS[code]
        self.status_code = int(code) // 100


class LocErrorSerializer(serializers.Serializer):
    """One thing that is wrong."""

    field = serializers.CharField(allow_null=True)
    code = serializers.CharField()
    message = serializers.CharField()


class LocProblemsSerializer(serializers.Serializer):
    """What is wrong: the reason of the whole answer, and thing by thing."""

    reason = serializers.ChoiceField(sorted(set(_REASONS.values())))
    errors = LocErrorSerializer(many=True)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Refused",
            {
                "code": 40401,
                "message": "没有这个订单。",
                "data": {
                    "reason": "not_found",
                    "errors": [{"field": "order_id", "code": "not_found", "message": "没有这个订单。"}],
                },
            },
        )
    ]
)
class LocRefusalSerializer(serializers.Serializer):
    """The form of every answer that is no success; docs/loc.md has the table of codes."""

    code = serializers.IntegerField(min_value=40000)
    message = serializers.CharField()
    data = LocProblemsSerializer()


_BY_STATUS = {
    400: Code.INVALID,
    401: Code.UNAUTHORIZED,
    403: Code.FORBIDDEN,
    404: Code.NOT_FOUND,
    405: Code.METHOD,
    409: Code.REFUSED,
    413: Code.TOO_LARGE,
    415: Code.NOT_JSON,
    429: Code.TOO_MANY,
    503: Code.UNAVAILABLE,
}
_BY_CODE = {
    "unknown_sku": Code.ITEM_NOT_FOUND,
    "parse_error": Code.NO_JSON,
    "promised": Code.PROMISED,
    "cannot_cancel": Code.ILLEGAL_MOVE,
    "not_delivered": Code.ILLEGAL_MOVE,
    "changed_meanwhile": Code.ILLEGAL_MOVE,
}
# What says less than the reason of the whole answer.
_VAGUE = {"invalid", "error", "cannot_cancel", "not_delivered"}


class LocView(OrderScopedView):
    """A call of the LOC interface. Its answers are `{"code": 0, "message": "成功", "data": {…}}`."""

    requires_idempotency_key = False
    errors_serializer = LocRefusalSerializer
    error_statuses = {"404": "No such order, item or buyer.", "409": "Refused.", "405": "Another method is meant."}

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer in the language of this interface."""
        with translation.override(_LANGUAGE):
            response = super().dispatch(request, *args, **kwargs)
        response["Content-Language"] = _LANGUAGE
        return response

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response | None]:
        """Errors in the form of this interface."""
        return _handle

    def order(self, order_id: str) -> Order:
        """The merchant's order of that id, sent by this interface. Raises LocError."""
        found = LocOrder.objects.visible_to(self.merchant).filter(
            order__external_number=order_id, order__channel__code=CHANNEL
        )
        loc = found.select_related("order").first()
        if loc is None:
            raise LocError(Code.ORDER_NOT_FOUND, _("There is no such order."), attr="order_id")
        return loc.order

    def order_of(self, order_id: str, user_id: str) -> Order:
        """The merchant's order of that id, of that buyer. Raises LocError."""
        order = self.order(order_id)
        if order.buyer_reference != user_id:
            raise LocError(Code.ORDER_NOT_FOUND, _("There is no such order."), attr="order_id")
        return order


def answer(data: dict[str, Any], message: str = "成功") -> Response:
    """A success."""
    return Response({"code": int(Code.OK), "message": message, "data": data})


def _handle(error: Exception, context: dict[str, Any]) -> Response | None:
    response = api_errors.exception_handler(error, context)  # type: ignore[arg-type]
    if response is None:
        return None
    problems = response.data["errors"]
    code = error.loc_code if isinstance(error, LocError) else _BY_CODE.get(problems[0]["code"])
    if code is None:
        code = _BY_STATUS.get(response.status_code, Code.FAILED)
    if int(code) // 100 != response.status_code:
        response.status_code = int(code) // 100
    reason = _REASONS[code]
    response.data = {
        "code": int(code),
        "message": problems[0]["detail"],
        "data": {
            "reason": reason,
            "errors": [
                {
                    "field": problem["attr"],
                    "code": reason if problem["code"] in _VAGUE else problem["code"],
                    "message": problem["detail"],
                }
                for problem in problems
            ],
        },
    }
    return response


def decode(raw: bytes, kind: type[Body]) -> Body:
    """The body. Raises LocError, WrongFields or ParseError."""
    try:
        body = msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise WrongFields([field_error(error)]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LocError(Code.NO_JSON, wrong_json(error)) from error
    try:
        value = msgspec.to_builtins(body)
    except RecursionError as error:
        raise nested_too_deeply() from error
    check_nesting(value)
    for text in _texts(value):
        if any((ord(char) < 32 and char not in "\n\t") or 0xD800 <= ord(char) <= 0xDFFF for char in text):
            raise WrongFields([FieldError("", "control_character", _("Remove the control characters."))])
    return body


def read(request: Request, kind: type[Body]) -> Body:
    """The body of the call. Raises LocError, WrongFields, UnsupportedMediaType."""
    return decode(read_json(request), kind)


def _texts(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [text for item in (*value.keys(), *value.values()) for text in _texts(item)]
        case list():
            return [text for item in value for text in _texts(item)]
    return []


def moment(text: str, attr: str) -> datetime:
    """A time such as 2025-02-15 12:00:00 or 2025-02-15T12:00:00, which is Beijing's. Raises WrongFields."""
    for form in _TIMES:
        try:
            found = datetime.strptime(text, form).replace(tzinfo=CHINA)
        except ValueError:
            continue
        if 2000 <= found.year <= 2100 and found.strftime(form) == text:
            return found
    detail = _("Give a time such as 2025-02-15 12:00:00 or 2025-02-15T12:00:00 (Beijing time).")
    raise WrongFields([FieldError(attr, "invalid_time", detail)])


def written(at: datetime) -> str:
    """The time as this interface writes it: Beijing's."""
    return at.astimezone(CHINA).strftime(_TIME)


def one_of(value: str, choices: Sequence[str], attr: str) -> str:
    """The value. Raises WrongFields if it is none of the choices."""
    if value not in choices:
        detail = _("Give one of: %(choices)s.") % {"choices": ", ".join(choices)}
        raise WrongFields([FieldError(attr, "invalid_choice", detail)])
    return value


def digest(body: msgspec.Struct) -> bytes:
    """What tells the content apart, whatever the order of its keys."""
    return hashlib.sha256(msgspec.json.encode(body, order="deterministic")).digest()
