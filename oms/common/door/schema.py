"""How the API describes itself: what its operations share, the form of errors, bodies that msgspec decodes."""

from typing import Any

import msgspec
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema_serializer
from rest_framework import serializers


class ErrorSerializer(serializers.Serializer):
    """One thing that is wrong."""

    code = serializers.CharField(help_text="What is wrong, for machines.")
    detail = serializers.CharField(help_text="What is wrong and what to do about it, in the language asked for.")
    attr = serializers.CharField(allow_null=True, help_text="Which field or parameter, such as `lines.0.quantity`.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Wrong fields",
            {
                "type": "validation_error",
                "errors": [
                    {"code": "required", "detail": "This field is required.", "attr": "buyer.phone"},
                    {"code": "unknown_sku", "detail": "Merchant POP01 sells no SKU P1.", "attr": "lines.0.sku"},
                ],
            },
            status_codes=["400"],
        ),
        OpenApiExample(
            "No such thing",
            {"type": "client_error", "errors": [{"code": "not_found", "detail": "Not found.", "attr": None}]},
            status_codes=["404"],
        ),
    ]
)
class ErrorsSerializer(serializers.Serializer):
    """The form of every answer that is no success."""

    type = serializers.ChoiceField(["validation_error", "client_error", "server_error"])
    errors = ErrorSerializer(many=True)


_FIELDS = OpenApiParameter(
    "fields", str, description="Only these fields of each thing, such as `number,state`; all without it."
)
_IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description='The `version` that was read, in quotes as the ETag has it: `"3"`. Stale: 409 `changed_meanwhile`.',
)

_IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    OpenApiParameter.HEADER,
    required=True,
    description=(
        "A text of your own for this call, such as a UUID. A call with the same key and body gets the same answer, with"
        " `Idempotent-Replayed: true`, and does nothing again."
    ),
    examples=[OpenApiExample("A UUID", "5f0c1f9e-5d0a-4a55-8a34-0f2b9f3f8f11")],
)


class ApiSchema(AutoSchema):
    """Describes the operations; adds the headers, parameters and errors that many of them share."""

    def get_override_parameters(self) -> list[Any]:
        """`fields` of what is read, `If-Match` of what is changed, the Idempotency-Key of what asks for one."""
        parameters = list(super().get_override_parameters())
        if self.method == "GET" and getattr(self.view, "has_sparse_fields", False):
            parameters.append(_FIELDS)
        if self._checks_version:
            parameters.append(_IF_MATCH)
        if self._needs_idempotency_key:
            parameters.append(_IDEMPOTENCY_KEY)
        return parameters

    @property
    def _needs_idempotency_key(self) -> bool:
        return self.method == "POST" and getattr(self.view, "requires_idempotency_key", False)

    @property
    def _checks_version(self) -> bool:
        return self.method in getattr(self.view, "checks_version", ())

    def _get_response_bodies(self, direction: str = "response") -> dict[str, Any]:
        responses = super()._get_response_bodies(direction)  # type: ignore[arg-type]
        if direction == "response" and self.view.authentication_classes:
            errors = {
                "401": "Not signed, wrongly signed, or no valid token; the code says which.",
                "403": "The credential lacks the scope, or may not be used from this address.",
                "429": "Too many calls; repeat it after as many seconds as Retry-After says.",
                "500": "Something went wrong here.",
                "503": "The database is away or busy; repeat the call after as many seconds as Retry-After says.",
            }
            if self._checks_version:
                errors |= {"409": "Refused, or changed meanwhile.", "428": "The header If-Match is missing."}
            if self.method in {"POST", "PUT", "PATCH"}:
                errors |= {"400": "The body is wrong.", "413": "The body is too large.", "415": "Not JSON."}
            else:
                errors["400"] = "A parameter is wrong."
            if self._needs_idempotency_key:
                running = "A call with this Idempotency-Key is running; repeat it after Retry-After seconds."
                errors["409"] = f"{errors['409']} Or: {running}" if "409" in errors else running
                errors["422"] = "The Idempotency-Key belongs to a call of another address or body."
            errors |= getattr(self.view, "error_statuses", {})
            if "{" in self.path:
                errors["404"] = "There is no such thing, or it is not the merchant's."
            for status, description in errors.items():
                form = getattr(self.view, "errors_serializer", ErrorsSerializer)
                answer = self._get_response_for_code(form, status)
                if status not in responses:
                    responses[status] = {**answer, "description": description}
                elif status in ("409", "422"):
                    _allow_also(responses[status], answer, description)
        return dict(sorted(responses.items()))


def _allow_also(response: dict[str, Any], other: dict[str, Any], description: str) -> None:
    """Let the described response also be the other one."""
    response["description"] = f"{response['description']} Or: {description}"
    for media_type, content in response.get("content", {}).items():
        schema = other["content"][media_type]["schema"]
        if content["schema"] != schema:
            content["schema"] = {"anyOf": [content["schema"], schema]}


_msgspec_components: dict[str, Any] = {}


def schema_of(body: type) -> dict[str, Any]:
    """The JSON schema of a body that msgspec decodes, as a reference into the OpenAPI schema's components."""
    (reference,), components = msgspec.json.schema_components([body], ref_template="#/components/schemas/{name}")
    _msgspec_components.update(components)
    return reference


def add_msgspec_components(result: dict[str, Any], **_context: object) -> dict[str, Any]:
    """Hook of drf-spectacular: put what `schema_of` referred to into the schema."""
    schemas = result["components"]["schemas"]
    schemas.update(_msgspec_components)
    result["components"]["schemas"] = dict(sorted(schemas.items()))
    return result
