"""Alipay (支付宝), by its open platform's gateway; keys and signatures by `cryptography` alone.

`wire` signs, sends and verifies; `adapter` asks; `notices` reads what Alipay tells us.
"""

from payments.providers.alipay.adapter import Alipay

PROVIDER = Alipay()
