"""Taking personal data and secrets out of text, for logs, errors and exports."""

import re

_PHONE = re.compile(r"(?<![0-9])(?:\+?86[- ]?)?(1[3-9][0-9])[0-9]{4}([0-9]{4})(?![0-9])")
_LANDLINE = re.compile(r"(?<![0-9])(?:0[0-9]{2,3}-[2-9][0-9]{6,7}|400-?[0-9]{3}-?[0-9]{4})(?![0-9])")
# What PostgreSQL adds to a refusal: the values of the row.
_KEY = re.compile(r"(Key \([^)]*\)=)\(.*?\)(?= |\.|$)", re.DOTALL)
_ROW = re.compile(r"(Failing row contains )\(.*\)\.?", re.DOTALL)
# Without any of these there is nothing to mask; asked first, because every text of the log passes here.
_SUSPICIOUS = re.compile(r"[0-9]{3}|\([^)]|Bearer |oms_|whsec_|sk_")
_TOKEN = re.compile(r"\b(Bearer |oms_|whsec_|sk_)[A-Za-z0-9_+/=-]{8,}")


def mask_text(text: str) -> str:
    """The text without phone numbers, tokens, and the row values that PostgreSQL quotes.

    Names and addresses have no form that could be recognised: keep text that may hold them out of logs altogether.
    """
    if not _SUSPICIOUS.search(text):
        return text
    text = _KEY.sub(r"\1(…)", text)
    text = _ROW.sub(r"\1(…)", text)
    text = _TOKEN.sub(r"\1…", text)
    text = _PHONE.sub(r"\1****\2", text)
    return _LANDLINE.sub("…", text)


def mask_name(name: str) -> str:
    """The first character of a name: 张*."""
    return f"{name[:1]}*" if name else ""


def mask_phone(phone: str) -> str:
    """The first three and the last four digits of a phone number: 138****1111."""
    return f"{phone[:3]}****{phone[-4:]}" if len(phone) >= 11 else "…" if phone else ""
