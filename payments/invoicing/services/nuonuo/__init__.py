"""诺诺 (Nuonuo), by its open platform: `wire` signs and sends, `adapter` asks, `speaker` tests connections."""

from payments.invoicing.services.nuonuo.adapter import Nuonuo

SERVICE = Nuonuo()
