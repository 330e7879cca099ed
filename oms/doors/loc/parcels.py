"""Calls of the LOC interface that need parcels or the delivery of virtual goods."""

import json
from typing import Annotated, Any

import msgspec
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiRequest, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from logistics.models import Direction, Shipment, ShipmentState, VirtualDelivery
from logistics.serializers import ShipmentSerializer
from logistics.virtual import delivering
from oms.common.door.api import read_json
from oms.common.door.schema import schema_of
from oms.common.errors import FieldError, WrongFields
from oms.doors.loc.base import Code, LocError, LocView, answer, decode, moment, one_of, read, written
from oms.doors.loc.paying import payment_status
from oms.doors.loc.views import enveloped
from oms.doors.loc.words import ORDER_STATUSES, PARCELS, PAYMENTS, order_status
from orders.models import Order
from orders.reviewing import holds

_KINDS = {
    "激活码": VirtualDelivery.Kind.ACTIVATION_CODE,
    "下载链接": VirtualDelivery.Kind.DOWNLOAD_LINK,
    "账号": VirtualDelivery.Kind.ACCOUNT,
}
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Secret = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class AskBody(msgspec.Struct):
    """Which order is asked about."""

    order_id: Text


class AccountInfo(msgspec.Struct):
    """An account for the buyer."""

    username: Secret
    password: Secret


class DeliveryInfo(msgspec.Struct):
    """What is delivered: the field of the type is needed, the others are not kept."""

    activation_code: Annotated[str, msgspec.Meta(max_length=500)] | None = None
    download_link: Annotated[str, msgspec.Meta(max_length=1000)] | None = None
    account_info: AccountInfo | None = None


class VirtualDeliveryBody(msgspec.Struct):
    """A code, link or account for the buyer of virtual goods."""

    order_id: Text
    virtual_product_type: Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(_KINDS)})]
    delivery_info: DeliveryInfo
    delivery_time: Annotated[str, msgspec.Meta(extra_json_schema={"example": "2025-02-15 12:00:00"})]


class LocScanSerializer(serializers.Serializer):
    """What the carrier reported."""

    time = serializers.CharField(help_text="Beijing time.")
    status = serializers.CharField()
    text = serializers.CharField()
    location = serializers.CharField()


class LocParcelSerializer(serializers.Serializer):
    """A parcel."""

    carrier = serializers.CharField()
    waybill_number = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(sorted(set(PARCELS.values())))
    scans = LocScanSerializer(many=True)


class LocStatusSerializer(serializers.Serializer):
    """Where the order is, in words."""

    order_id = serializers.CharField()
    order_number = serializers.CharField()
    order_status = serializers.ChoiceField(ORDER_STATUSES)
    payment_status = serializers.ChoiceField(sorted(set(PAYMENTS.values())))
    waits_for_person = serializers.CharField(allow_null=True)
    tracking = LocParcelSerializer(many=True)


class DeliveredSerializer(serializers.Serializer):
    """What was delivered; the secret itself is not repeated."""

    order_id = serializers.CharField()
    order_number = serializers.CharField()
    order_status = serializers.ChoiceField(ORDER_STATUSES)
    virtual_product_type = serializers.ChoiceField(list(_KINDS))


LocStatusAnswer = enveloped(
    "LocStatusAnswer",
    LocStatusSerializer,
    {
        "order_id": "T20250215-1",
        "order_number": "1364935748662587",
        "order_status": "运输中",
        "payment_status": "已支付",
        "waits_for_person": None,
        "tracking": [
            {
                "carrier": "顺丰速运",
                "waybill_number": "SF1700000000017",
                "status": "运输中",
                "scans": [
                    {
                        "time": "2026-01-02 20:41:00",
                        "status": "运输中",
                        "text": "离开分拣中心",
                        "location": "北京",
                    }
                ],
            }
        ],
    },
)
LocDeliveredAnswer = enveloped(
    "LocDeliveredAnswer",
    DeliveredSerializer,
    {
        "order_id": "V20250215-1",
        "order_number": "3364935748662587",
        "order_status": "已送达",
        "virtual_product_type": "激活码",
    },
)


class LocStatusView(LocView):
    """GET /api/order/status."""

    scopes = {"GET": "orders.read"}
    serializer_class = LocStatusAnswer
    query_parameters = frozenset({"order_id"})

    @extend_schema(
        operation_id="loc_order_status",
        summary="订单状态 · where an order is",
        description="`order_id` in the query, or in a JSON body where a client can send one with GET.",
        tags=["LOC"],
        parameters=[OpenApiParameter("order_id", str, description="The merchant's own number of the order.")],
    )
    def get(self, request: Request) -> Response:
        """The state and the parcels."""
        order_id = request.query_params.get("order_id")
        if order_id is None and request._request.body:
            order_id = decode(read_json(request), AskBody).order_id
        if not order_id:
            raise WrongFields([FieldError("order_id", "required", _("This field is required."))])
        if "\0" in order_id:
            raise LocError(Code.ORDER_NOT_FOUND, _("There is no such order."), attr="order_id")
        order = self.order(order_id)
        shipments = list(
            ShipmentSerializer.prepare(Shipment.objects.of_order(order.pk).exclude(direction=Direction.RETURN))
        )
        asked = holds.questions(order.pk) if order.open_holds else {}
        return answer(
            {
                "order_id": order.external_number,
                "order_number": order.number,
                "order_status": order_status(order, shipments),
                "payment_status": payment_status(order),
                "waits_for_person": "".join(asked.values()) or None,
                "tracking": [_parcel(shipment) for shipment in shipments],
            }
        )


def _parcel(shipment: Shipment) -> dict[str, Any]:
    return {
        "carrier": shipment.carrier.name if shipment.carrier else "",
        "waybill_number": shipment.waybill_number,
        "status": PARCELS[ShipmentState(shipment.state)],
        "scans": [
            {
                "time": written(scan.occurred_at),
                "status": PARCELS.get(scan.state, scan.state),  # type: ignore[call-overload]
                "text": scan.text,
                "location": scan.location,
            }
            for scan in shipment.scans.all()
        ],
    }


class LocVirtualDeliveryView(LocView):
    """POST /api/order/virtual_delivery."""

    scopes = {"POST": "orders.write"}
    serializer_class = LocDeliveredAnswer

    @extend_schema(
        operation_id="loc_virtual_delivery",
        summary="虚拟商品发货 · deliver virtual goods",
        description=(
            "Keeps the code, link or account for the buyer and takes the order to delivered. It is shown to nobody but"
            " the buyer: not in answers, timelines, logs or to staff. The same again answers the same; another content"
            " 40901."
        ),
        tags=["LOC"],
        request=OpenApiRequest(
            schema_of(VirtualDeliveryBody),
            examples=[
                OpenApiExample(
                    "A code",
                    {
                        "order_id": "V20250215-1",
                        "virtual_product_type": "激活码",
                        "delivery_info": {"activation_code": "AB12-CD34"},
                        "delivery_time": "2025-02-15 12:00:00",
                    },
                )
            ],
        ),
    )
    def post(self, request: Request) -> Response:
        """Deliver it."""
        body = read(request, VirtualDeliveryBody)
        kind = _KINDS[one_of(body.virtual_product_type, list(_KINDS), "virtual_product_type")]
        content = _content(kind, body.delivery_info)
        moment(body.delivery_time, "delivery_time")
        order = self.order(body.order_id)
        try:
            delivering.deliver(order.pk, kind, content, actor=self.actor)
        except delivering.DeliveredOtherwise as error:
            raise LocError(Code.OTHER_CONTENT, str(error), attr="delivery_info") from error
        except delivering.CannotDeliver as error:
            raise LocError(Code.ILLEGAL_MOVE, str(error), attr="order_id") from error
        order = Order.objects.get(pk=order.pk)
        return answer(
            {
                "order_id": order.external_number,
                "order_number": order.number,
                "order_status": order_status(order, []),
                "virtual_product_type": body.virtual_product_type,
            }
        )


def _content(kind: VirtualDelivery.Kind, info: DeliveryInfo) -> str:
    """What the buyer gets, as it is kept. Raises WrongFields if the type's field is missing."""
    if kind == VirtualDelivery.Kind.ACCOUNT:
        if info.account_info is None:
            raise _missing("account_info")
        return json.dumps(msgspec.to_builtins(info.account_info), ensure_ascii=False)
    if kind == VirtualDelivery.Kind.DOWNLOAD_LINK:
        if not info.download_link:
            raise _missing("download_link")
        if not info.download_link.startswith(("https://", "http://")):
            detail = _("Give an address that begins with https:// or http://.")
            raise WrongFields([FieldError("delivery_info.download_link", "invalid", detail)])
        return info.download_link
    if not info.activation_code:
        raise _missing("activation_code")
    return info.activation_code


def _missing(name: str) -> WrongFields:
    return WrongFields([FieldError(f"delivery_info.{name}", "required", _("This field is required."))])
