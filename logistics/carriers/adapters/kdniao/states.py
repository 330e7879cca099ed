"""kdniao's words for what happened to a parcel (StateEx), and ours.

Where the second column is empty, it is no scan: nothing is known, or it is an alarm of kdniao's own, such as silence.
"""

from collections.abc import Mapping

from logistics.models import ShipmentState as S

STATES: Mapping[str, tuple[str, S | None]] = {
    "0": ("暂无轨迹信息", None),
    "10": ("待揽件", None),
    "1": ("已揽收", S.COLLECTED),
    "2": ("在途", S.IN_TRANSIT),
    "201": ("到达派件城市", S.IN_TRANSIT),
    "202": ("派件中", S.OUT_FOR_DELIVERY),
    "204": ("到达转运中心", S.IN_TRANSIT),
    "205": ("到达派件网点", S.IN_TRANSIT),
    "206": ("寄件网点发件", S.IN_TRANSIT),
    "211": ("已放入快递柜或驿站", S.OUT_FOR_DELIVERY),
    "220": ("从机场出发", S.IN_TRANSIT),
    "221": ("到达目的机场", S.IN_TRANSIT),
    "222": ("到达目的国", S.IN_TRANSIT),
    "223": ("派送前联系", S.IN_TRANSIT),
    "224": ("预约派送", S.IN_TRANSIT),
    "3": ("已签收", S.SIGNED),
    "301": ("正常签收", S.SIGNED),
    "302": ("异常后最终签收", S.SIGNED),
    "304": ("代收签收", S.SIGNED),
    "305": ("客户签名", S.SIGNED),
    "306": ("自提", S.SIGNED),
    "307": ("货到付款成功", S.SIGNED),
    "311": ("快递柜或驿站签收", S.SIGNED),
    "4": ("问题件", S.FAILED_DELIVERY),
    "401": ("发货无信息", None),
    "402": ("超时未签收", None),
    "403": ("超时未更新", None),
    "404": ("拒收（退件）", S.REJECTED),
    "405": ("派件异常", S.FAILED_DELIVERY),
    "406": ("退货签收", S.RETURNED),
    "407": ("退货未签收", S.RETURNING),
    "412": ("快递柜/驿站超时未取", None),
    "413": ("单号已拦截", S.INTERCEPTING),
    "414": ("破损", S.FAILED_DELIVERY),
    "415": ("客户取消发货", None),
    "416": ("无法联系", S.FAILED_DELIVERY),
    "417": ("配送延迟", S.IN_TRANSIT),
    "418": ("快件取出", S.IN_TRANSIT),
    "419": ("重新派送", S.OUT_FOR_DELIVERY),
    "420": ("收货地址不详细", S.FAILED_DELIVERY),
    "421": ("收件人电话错误", S.FAILED_DELIVERY),
    "422": ("错分件", S.IN_TRANSIT),
    "423": ("超区件", S.FAILED_DELIVERY),
    "424": ("长期未领", S.FAILED_DELIVERY),
    "425": ("退回中", S.RETURNING),
    "426": ("丢失", S.LOST),
    "427": ("违规拒运", S.RETURNING),
    "430": ("揽件前取消", None),
    "5": ("转寄", S.IN_TRANSIT),
    "6": ("清关", S.IN_TRANSIT),
    "601": ("待清关", S.IN_TRANSIT),
    "602": ("清关中", S.IN_TRANSIT),
    "603": ("已清关", S.IN_TRANSIT),
    "604": ("清关异常", S.IN_TRANSIT),
    "605": ("移交清关", S.IN_TRANSIT),
    "606": ("未付款扣留", S.IN_TRANSIT),
}


def word_of(code: str, otherwise: Mapping[str, str]) -> str | None:
    """Our word for a code, None where it is no scan; `otherwise` comes before the table, an empty word is no scan.

    A code that is new means what its first digit means; one without any is its own word, which nobody understands.
    """
    if code in otherwise:
        return otherwise[code] or None
    if code not in STATES and code[:1] not in STATES:
        return f"kdniao:{code}"[:24]
    state = STATES[code if code in STATES else code[0]][1]
    return state.value if state else None
