"""What the API shows of people to programs that do not need to know them."""

from typing import Any

from oms.common.masking import hide_name, hide_phone

# By the key of an object: what of it is masked or left out. Texts that people wrote may name anybody.
_OF_PEOPLE = frozenset({"buyer", "recipient", "sender", "contact"})
_PHONES = frozenset({"phone", "mobile", "contact_phone", "title_phone"})
_TEXTS = frozenset({"remark", "note", "text", "address", "email", "changes", "details", "contact_name", "account"})


def hidden(shown: Any, under: str = "") -> Any:
    """The same without names, phones, addresses and texts of people; region and city stay."""
    if isinstance(shown, dict):
        return {key: _hidden_value(key, value, under) for key, value in shown.items()}
    if isinstance(shown, list):
        return [hidden(one, under) for one in shown]
    return shown


def _hidden_value(key: str, value: Any, under: str) -> Any:
    if key in _TEXTS and value:
        return "…" if isinstance(value, str) else None
    if isinstance(value, str):
        if key in _PHONES:
            return hide_phone(value)
        return hide_name(value) if key == "name" and under in _OF_PEOPLE else value
    return hidden(value, key)
