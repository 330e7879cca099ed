"""How the API's schema is made (drf-spectacular)."""

SPECTACULAR_SETTINGS = {
    "TITLE": "OMS API",
    "DESCRIPTION": (
        "Order management: orders, sub-orders and their progress.\n\n"
        "Guides: [as pages](/guides/), [first order, pages, errors](/api/docs/api.md), "
        "[signing](/api/docs/signing.md) with [test vectors](/api/docs/signature-vectors.json),"
        " [webhooks](/api/docs/webhooks.md), [LOC interface 京东入鼎](/api/docs/loc.md)."
    ),
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # The validator is a service of somebody else.
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
    "SCHEMA_PATH_PREFIX": "/api(/v1)?",
    "ENUM_NAME_OVERRIDES": {
        "OrderState": "orders.models.OrderState",
        "SubOrderState": "orders.models.SubOrderState",
        "ShipmentState": "logistics.models.ShipmentState",
        "HoldKind": "orders.models.Hold.Kind",
        "WebhookEndpointState": "oms.merchants.models.EndpointState",
        "WebhookDeliveryState": "oms.merchants.models.DeliveryState",
        "WebhookDisabledBecause": "oms.merchants.models.DisabledBecause",
        "OrderPaymentState": "orders.models.OrderPaymentState",
        "PaymentState": "payments.models.PaymentState",
        "RefundState": "payments.models.RefundState",
        "GrantState": "payments.models.GrantState",
        "GrantKind": "payments.models.GrantKind",
        "InvoiceState": "payments.models.InvoiceState",
        "InvoiceKind": "orders.models.terms.InvoiceKind",
        "RejectedOrderState": "orders.models.RejectedOrder.State",
        "StorageClass": "inventory.models.StorageClass",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "oms.common.door.schema.add_msgspec_components",
        "oms.api_completing.complete",
    ],
}
