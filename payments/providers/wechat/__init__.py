"""WeChat Pay (微信支付), version 3 of its interface.

Signatures and sealed messages are done with `cryptography` alone; docs/payments.md says why not with `wechatpayv3`.
`wire` signs, sends and verifies; `keys` knows WeChat's own keys; `adapter` asks; `notices` reads what WeChat tells us.
"""

from payments.providers.wechat.adapter import WechatPay

PROVIDER = WechatPay()
