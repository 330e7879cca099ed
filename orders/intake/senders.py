"""Texts with a sender and a recipient, as they are copied from waybills and chats (寄件人：… 收件人：…). What is said
of the sender is no part of the recipient's address."""

import re

_PARTY = r"(?:(?:人|方)(?:信息|地址|姓名|电话|手机号?)?|信息|地址)"
_OF_SENDER = rf"(?:发件|寄件|发货|寄货){_PARTY}"
_OF_RECIPIENT = rf"(?:收件|收货){_PARTY}"
# A label has a colon or a bracket, a blank behind it, or the person's name right behind it (发件人张三).
_APART = r"[\]】)）」]?\s*(?:[:：]|(?=\s)|(?<=人)(?=[\u4e00-\u9fff]{2,4}[\s,，;；、\d]))"
_SENDER = re.compile(rf"(?:(?<![\u4e00-\u9fffA-Za-z])(?:寄|发|[Ff]rom|FROM)\s*[:：]|[\[【(（「]?{_OF_SENDER}{_APART})")
_RECIPIENT = re.compile(
    rf"(?:(?<![\u4e00-\u9fffA-Za-z])(?:收|到|[Tt]o|TO)\s*[:：]|[\[【(（「]?{_OF_RECIPIENT}{_APART})"
)
# 寄： alone is what people write before the recipient's address.
_WEAK = re.compile(r"[寄发]\s*[:：]$")
_COLON = re.compile(r"[:：]\s*$")
_TO = re.compile(r"to|到", re.IGNORECASE)
# So much before the sender's label is the recipient's, though nothing calls it so.
_ENOUGH = 8


def of_recipient(text: str) -> str:
    """The text without what is said of a sender; the text itself where nobody is called one, or nothing would be left.

    What stands behind a label is about its person until the other one's label comes.
    """
    senders = [(found.start(), False, found[0]) for found in _SENDER.finditer(text)]
    if not senders:
        return text
    recipients = [(found.start(), True, found[0]) for found in _RECIPIENT.finditer(text)]
    first = senders[0][0]
    if not recipients:
        before, label = text[:first].strip(), senders[0][2]
        is_sure = _COLON.search(label) and not _WEAK.search(label)
        return before if is_sure and len(before) >= _ENOUGH else text
    labels = sorted([*senders, *recipients])
    ends = [start for start, _is_ours, _label in labels[1:]] + [len(text)]
    parts = [text[: labels[0][0]]]
    for (start, is_ours, label), end in zip(labels, ends, strict=True):
        if is_ours:
            parts.append(text[start + len(label) if _TO.match(label) else start : end])
    left = " ".join(part.strip() for part in parts if part.strip())
    return left if len(left) >= _ENOUGH else text
