"""Phone numbers of the mainland, Hong Kong, Macau and Taiwan: read however they are written, kept in one form.

The form: `13800001111`, `021-22233334`, `4008008888`, `+85223456789`; an extension follows after a hyphen
(`13500001111-7804`). Numbers are stored and compared in it everywhere, so that one way of writing finds the other.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Any

from django.db import models

LONGEST = 20

# Soft hyphens, zero-width and direction marks, which come along when people copy from a browser or a phone book: for a
# class of a regular expression.
INVISIBLE = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff"
_INVISIBLE = re.compile(f"[{INVISIBLE}]")
_DASHES = re.compile("[\u02d7\u058a\u05be\u1806\u2010-\u2015\u2043\u207b\u208b\u2212\u2500\u2501\u30fc\ufe58\ufe63]")
_PLAIN = re.compile(r"1[3-9]\d{9}", re.ASCII)
_EXTENSION = re.compile(
    r"[\s,，、]*(?:[(\[]?(?:-?转接?-?|;?(?:转?分机号?码?|ext(?:ension)?\.?|x)|#|\*|,|;)\s*[:=]?|-|\[|\((?=\d{3}))\s*(\d{1,6})[\])]?$",
    re.ASCII | re.IGNORECASE,
)
# What some write behind the number: that it serves for WeChat as well, or that it may be rung.
_BEHIND = re.compile(
    r"\s*[(\[]?\s*(?:同?微信(?:同号)?|微信同步|v信同号|wechat|手机|电话|本人|常用)\s*[)\]]?$", re.IGNORECASE
)
_BRACKETS = str.maketrans("【】〔〕", "[][]")
# What some write into the number's own field before it.
_LABEL = re.compile(
    r"^(?:(?:联系|收[货件]人?)?(?:(?:手机号码|电话号码|手机号?|电话|方式|tel(?:ephone)?|mobile|phone|虚拟号码?|隐私号码?)"
    r"[./]?\s*)+:?|[☎☏✆📞📱])\s*(?=[\d+(\[])",
    re.IGNORECASE,
)
# Left of a list or a sentence that the number stood in.
_AT_THE_EDGE = " ;,.、。'\"“”"
# A slash before a digit or two is another extension or line (5512345/6).
_PUNCTUATION = re.compile(r"(?<=[\d)])[\s\-.·_]+(?=[\d(])|(?<=[\d)])\s*/\s*(?=[\d(]{4})|[()]", re.ASCII)
# An area code in square brackets, which stand round extensions elsewhere.
_AREA_CODE = re.compile(r"^\[(0\d{2,3})\]", re.ASCII)
_INTERNATIONAL = re.compile(r"(?:\+|00)\s*(\d+)", re.ASCII)
# Area codes have three digits, and numbers then eight, where they begin with 01 or 02, else four; subscribers' numbers
# begin with 2 to 8.
_LANDLINE = re.compile(r"(10|2[0-57-9])([2-8]\d{7})|([3-9]\d\d)([2-8]\d{6,7})", re.ASCII)
_TOLL_FREE = re.compile(r"[48]00\d{7}", re.ASCII)
_FAR = re.compile(r"(852)([2-9]\d{7})|(853)([268]\d{7})|(886)0?(9\d{8}|[2-8]\d{7,8})", re.ASCII)


@lru_cache(maxsize=1 << 12)
def normal_form(text: str) -> str | None:
    """The number in the one form, at most 20 characters; None where the text is no phone number."""
    if _PLAIN.fullmatch(text):
        return text
    clean = _LABEL.sub("", clean_text(text).strip(_AT_THE_EDGE).translate(_BRACKETS), count=1)
    if not clean[-1:].isdigit():
        clean = _BEHIND.sub("", clean)
    clean = _AREA_CODE.sub(r"\1", clean)
    # A hyphen stands before an extension, but between the groups of a number too: what is a number as a whole is one.
    if number := _number(clean):
        return number
    found = _EXTENSION.search(clean)
    number = _number(clean[: found.start()]) if found else None
    if found is None or number is None:
        return None
    full = f"{number}-{found[1]}"
    return full if len(full) <= LONGEST else None


def compared(text: str) -> str:
    """What to look the number up by: its normal form, or the text itself where it is none."""
    return normal_form(text) or text.strip()


class PhoneField(models.CharField):
    """A phone number in its normal form: what is saved and what is looked for by equality is brought into it. Texts
    that are no numbers, such as hidden ones, stay as they are."""

    def get_prep_value(self, value: Any) -> Any:
        """The value for the database."""
        value = super().get_prep_value(value)
        return compared(value) if isinstance(value, str) else value

    def deconstruct(self) -> Any:
        """For the database it is a text like others."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs


def clean_text(text: str) -> str:
    """The text in half-width characters with plain hyphens and without invisible marks."""
    return _DASHES.sub("-", _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))).strip()


def _number(text: str) -> str | None:
    """The normal form of a number without extension."""
    digits = _PUNCTUATION.sub("", text)
    abroad = _INTERNATIONAL.fullmatch(digits)
    if abroad:
        digits = abroad[1]
    if not (digits.isascii() and digits.isdigit()):
        return None
    if found := _FAR.fullmatch(digits):
        country, subscriber = (group for group in found.groups() if group)
        return f"+{country}{subscriber}"
    is_chinese = digits.startswith("86") and len(digits) > 11
    if abroad and not is_chinese:
        return None
    if is_chinese:
        digits = digits.removeprefix("86")
    # The zero that trunk calls once began with stands before the mobile number.
    mobile = digits if is_chinese else digits.removeprefix("0")
    if _PLAIN.fullmatch(mobile):
        return mobile
    if _TOLL_FREE.fullmatch(digits):
        return digits
    # The zero of the area code is left out after the country code only.
    landline = _LANDLINE.fullmatch(digits.removeprefix("0")) if is_chinese or digits.startswith("0") else None
    if landline is None:
        return None
    area, subscriber = (group for group in landline.groups() if group)
    return f"0{area}-{subscriber}"
