"""Taking personal data and secrets out of text, for logs, errors and exports."""

import re

from psycopg import Error as PsycopgError

from oms.common.errors import OmsError

_PHONE = re.compile(r"(?<![0-9])(?:\+?86[- ]?)?(1[3-9][0-9])[0-9]{4}([0-9]{4})(?![0-9])")
_LANDLINE = re.compile(r"(?<![0-9])(?:0[0-9]{2,3}-[2-9][0-9]{6,7}|400-?[0-9]{3}-?[0-9]{4})(?![0-9])")
_STARS = "*＊✱●•"
_STARRED = frozenset(_STARS)
_MASK = re.compile(rf"[{_STARS}]{{2,}}|^[^\W\d]{{0,3}}[{_STARS}][^\W\d]{{0,3}}$|^\+?\d+[{_STARS}]\d*$")
# Some write letters in place of a phone's digits: 138XXXX8000. In an address they stand for a name (XX街道).
_CROSSED_OUT = re.compile(r"\+?[0-9][0-9 -]*[xX×Ｘｘ]{3,}[0-9 -]*")
# What PostgreSQL adds to a refusal: the values of the row.
_KEY = re.compile(r"(Key \([^)]*\)=)\(.*?\)(?= |\.|$)", re.DOTALL)
_ROW = re.compile(r"(Failing row contains )\(.*\)\.?", re.DOTALL)
# Without any of these there is nothing to mask; asked first, because every text of the log passes here.
_SUSPICIOUS = re.compile(r"[0-9]{3}|\([^)]|Bearer |oms_|whsec_|sk_")
_TOKEN = re.compile(r"\b(Bearer |oms_|whsec_|sk_)[A-Za-z0-9_+/=-]{8,}")

# Of the texts of exceptions, which are English around what they quote: Chinese and what is joined to it, what stands in
# quotes and is no name of a column or constraint, what follows a telling word, and what an address of the web asks.
_CHINESE = re.compile(r"[\w#·-]*[\u3400-\u9fff\uf900-\ufaff][\w#·（）()，。、：；“”《》-]*")
_QUOTED = re.compile(r"""(?<![\w])(?:'([^'\n]*)'|"([^"\n]*)"|“([^”\n]*)”)(?!\w)""")
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_.]*")
_LABELLED = re.compile(
    r"\b((?:\w*_)?(?:name|recipient|receiver|consignee|buyer|contact|phone|mobile|tel|email|address|street|city|remark"
    r"|content|password|secret)\w*)([\"']?\s*[:=]\s*)[^,;|&)}\]\n]+",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_WEB_QUERY = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]*")
_IDENTITY_CARD = re.compile(r"(?<![0-9])[0-9]{17}[0-9Xx](?![0-9])")
DESCRIBED_AT_MOST = 500


def describe(error: BaseException) -> str:
    """The exception for a row that staff read: its type, and its text in one line without what may be personal.

    At most DESCRIBED_AT_MOST characters. The text may quote anything: a row's values, a partner's answer. What staff
    need beyond it, the place and the causes, is in the log.
    """
    text = str(error)
    cause = error if isinstance(error, PsycopgError) else error.__cause__
    if isinstance(cause, PsycopgError):
        text = cause.diag.message_primary or text  # without the details, the statement and the row
    text = text.replace("\0", "").encode(errors="replace").decode()
    if not isinstance(error, OmsError):  # what we say ourselves is safe to show, and may be Chinese
        text = _WEB_QUERY.sub(r"\1?…", text)
        text = _QUOTED.sub(_without_values, text)
        text = _LABELLED.sub(r"\1\2…", text)
        text = _EMAIL.sub("…", text)
        text = _IDENTITY_CARD.sub("…", text)
        text = _CHINESE.sub("…", text)
    return f"{type(error).__name__}: {' '.join(mask_text(text).split())}"[:DESCRIBED_AT_MOST]


def _without_values(match: re.Match[str]) -> str:
    quoted = next(group for group in match.groups() if group is not None)
    return match[0] if _IDENTIFIER.fullmatch(quoted) else match[0][0] + "…" + match[0][-1]


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


def is_masked(text: str) -> bool:
    """Whether a platform has hidden the name, phone or address, or a part of it: 王**, 138****1111, 138XXXX1111."""
    text = text.strip()
    is_starred = not _STARRED.isdisjoint(text) and _MASK.search(text) is not None
    return is_starred or _CROSSED_OUT.fullmatch(text) is not None


def mask_name(name: str) -> str:
    """The first character of a name: 张*."""
    return f"{name[:1]}*" if name else ""


def mask_phone(phone: str) -> str:
    """The first three and the last four digits of a phone number: 138****1111."""
    return f"{phone[:3]}****{phone[-4:]}" if len(phone) >= 11 else "…" if phone else ""


def hide_name(name: str) -> str:
    """The name as pages show it: masked, unless a platform did that already."""
    return name if is_masked(name) else mask_name(name)


def hide_phone(phone: str) -> str:
    """The phone as pages show it: masked, unless a platform did that already."""
    return phone if is_masked(phone) else mask_phone(phone)


def hide_address(address: str) -> str:
    """The address below the district as pages show it: its first characters, fewer than half of it."""
    return f"{address[: min(4, len(address) // 2)]}***" if address else ""
