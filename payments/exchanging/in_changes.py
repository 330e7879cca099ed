"""Exchanging units that the buyer has for other goods, as a part of a change of an order."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from oms.common.errors import FieldError, OmsError, WrongFields
from oms.common.money import fen_text
from orders.actors import Actor
from orders.changing.sets.actions import units_of
from orders.changing.sets.beyond import Beyond, Shown, register
from orders.models import Order, ReturnKind, SubOrder
from orders.returning.exchanging import NewGoods
from orders.returning.requesting import Wanted
from payments.exchanging import beginning


def _read(order: Order, told: Mapping[str, Any]) -> Wanted:
    part = SubOrder.objects.filter(order=order, number=str(told.get("sub_order", ""))).first()
    if part is None:
        raise WrongFields([FieldError("sub_order", "not_found", _("The order has no such sub-order."))])
    if part.merchant_id != order.channel.merchant_id:
        text = _("Another merchant sends these goods: ask for a return, on which that one decides.")
        raise WrongFields([FieldError("sub_order", "not_yours", text)])
    reason = str(told.get("return_reason") or "")
    return Wanted(ReturnKind.EXCHANGE, units_of(part, told.get("units")), reason, goods=_goods(told.get("goods") or []))


def _goods(told: Any) -> Sequence[NewGoods]:
    if not isinstance(told, list) or not all(isinstance(one, Mapping) for one in told):
        raise WrongFields([FieldError("goods", "invalid", _("Give a list of goods with sku and quantity."))])
    wrong = [
        FieldError(f"goods.{place}.quantity", "invalid", _("Give a quantity of at least 1."))
        for place, one in enumerate(told)
        if not isinstance(one.get("quantity"), int) or isinstance(one["quantity"], bool)
    ]
    if wrong:
        raise WrongFields(wrong)
    return [NewGoods(str(one.get("sku", "")), one["quantity"], str(one.get("merchant", ""))) for one in told]


def _carry_out(order: Order, wanted: Wanted, actor: Actor) -> Shown:
    try:
        found = beginning.preview(order.pk, wanted)
        begun = beginning.exchange(
            order.pk, wanted, actor=actor, agreed=beginning.Agreed(to_pay=found.to_pay, back=found.back)
        )
    except OmsError as refusal:
        refusal.attr = {"reason": "return_reason", "lines": "units"}.get(refusal.attr or "", refusal.attr)
        raise
    return {
        "return": begun.return_request.number,
        "costs": fen_text(found.costs),
        "credit": fen_text(found.credit),
        "to_pay": fen_text(found.to_pay),
        "goes_back": fen_text(found.back),
        "leaves": found.leaves,
        "promotions_lost": [
            {"name": one["name"] or one["code"], "share": one["share"], "now": one["now"]}
            for one in found.calculation["promotions"]
            if one["share"] != one["now"]
        ],
    }


def _sentences(shown: Shown) -> list[str]:
    text = _(
        "The new goods cost ¥%(costs)s, of which what comes back pays ¥%(credit)s. The buyer is asked for ¥%(to_pay)s;"
        " ¥%(goes_back)s go back once the goods are there."
    )
    lost = _("Promotion lost: %(name)s, ¥%(share)s → ¥%(now)s.")
    return [text % shown, *(lost % one for one in shown["promotions_lost"])]


register("exchange", Beyond(_read, _carry_out, _sentences))
