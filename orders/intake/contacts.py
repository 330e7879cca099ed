"""Taking name, phone and labels out of a text in which people write them beside the address."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from oms.common import phones

_INVISIBLE = re.compile(rf"[{phones.INVISIBLE}\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# Full-width digits, letters and blanks; Chinese punctuation stays as it is.
_HALF_WIDTH = {
    **{code: code - 0xFEE0 for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))},
    0x3000: " ",
    0xFF0B: "+",
    0xFF0D: "-",
    0xFF1E: ">",
    0x2212: "-",
    0x2010: "-",
    0x2011: "-",
}
_PHONE = re.compile(
    r"""(?<![\dA-Za-z*-])(?:
        (?:[(（]?(?:\+|00)?\s?86[)）]?[-\s]*)?
        (?:0?1[3-9]\d{_GAP}\d{4}{_GAP}\d{4} | [(（\[【]?0\d{2,3}[)）\]】]?[-\s]?\d{4}[-\s]?\d{3,4})
        | [48]00[-\s]?\d{3}[-\s]?\d{4}
        | [(（]?(?:\+|00)\s?(?:85[23]|886)[)）]?[-\s]*\d[\d\s-]{6,11}\d
    )(?:\s?[,，;；]?\s?(?:转|分机号?|ext\.?|\#|-)\s?[:：=]?\s?\d{1,6}|\s?\[\d{1,6}\]|,\d{3,4}(?=\s*$))?(?![\d*号室楼栋])
    (?:\s?[(（]?(?:同?微信(?:同号|同步)|同微信|[vV]信同号)[)）]?)?""".replace("{_GAP}", r"[-\s.·\u2010-\u2015\u2043]?"),
    re.VERBOSE | re.ASCII | re.IGNORECASE,
)
_LABELS = {
    word: kind
    for kind, words in {
        "name": "收货人姓名 收件人姓名 联系人姓名 收货人 收件人 联系人 收件方 姓名 名字 ATTN Attn attn",
        "phone": "手机号码 联系电话 联系手机 联系方式 电话号码 收货电话 收件电话 收货人电话 收件人电话"
        " 收货人手机 收件人手机 手机号 手机 电话 Tel TEL tel Mobile",
        "region": "所在地区 所在地 所在区域 省市区县 省市区 省份城市 地区 区域 省份 城市 区县",
        "address": "收货详细地址 详细收货地址 收货人地址 收件人地址 详细地址 收货地址 收件地址 街道地址"
        " 邮寄地址 联系地址 送货地址 寄送地址 配送地址 新地址 现地址 我的地址 家庭地址 公司地址 地址是 收货地址是"
        " 收件地址是 详细 地址",
        "postcode": "邮政编码 邮编",
    }.items()
    for word in words.split()
}
_ANY_LABEL = f"({'|'.join(sorted(_LABELS, key=len, reverse=True))})"
# A label has a colon or brackets; without, it stands apart.
_LABEL = re.compile(
    rf"[\[【(（「]\s*{_ANY_LABEL}\s*[\]】)）」]\s*[:：]?\s*|{_ANY_LABEL}\s*[:：=]\s*"
    rf"|(?:^|(?<=[\s,，;；])){_ANY_LABEL}(?:\s+|(?=\d))"
)
# Of parts of a region each with its label (省：湖南省 市：衡阳市) one label is enough, and 地址 needs no colon.
_PART_LABEL = re.compile(r"(?<![\u4e00-\u9fffA-Za-z])(?:省份?|城?市|区县|[区县])\s*[:：]\s*(?=[\u4e00-\u9fff]{2})")
_GLUED_ADDRESS = re.compile(
    r"(?:^|(?<=[\s,，;；。]))((?:收货|收件|详细|邮寄)?地址)(?=[\u4e00-\u9fff]{2})(?!地址|是[:：])"
)
# A label glued to a name: 收件人张伟.
_GLUED_LABEL = re.compile(
    rf"(?<![\u4e00-\u9fff])({'|'.join(word for word, kind in _LABELS.items() if kind == 'name')})"
    r"([\u4e00-\u9fff·]{2,8})(?=[\s,，;；、\d]|$)"
)
# 收：张伟 is such a label, too.
_RECEIVER = re.compile(
    r"(?<![\u4e00-\u9fffA-Za-z])(?:[收致给]|TO|To|to)\s*[:：]\s*([\u4e00-\u9fff·]{2,8})(?=[\s,，;；、\d]|$)"
)
# A title apart from the name before it, and a name or a phone in brackets of its own.
_TITLE_APART = re.compile(r"(?<=[\u4e00-\u9fff])\s+(?=(?:先生|女士|小姐|老师|同学|师傅)(?:[\s,，;；\d(（【]|$))")
_BRACKETED = re.compile(r"[【〔「\[]\s*([^【〔「\[\]】〕」]{2,24})\s*[】〕」\]]")
# What people write before all of it in a chat: 麻烦寄到…, 寄：…, 收件信息 ….
_LEAD = re.compile(
    r"(?:亲[!！~～,，\s]+)?(?:加?急件?[!！~～,，\s]+)?(?:麻烦|劳驾|请|帮我|帮忙|您|你)*(?:(?:邮?寄件?|发货?|送货?|配送|快递)(?:往|到|至|给|一下)|发这里[哈啊呀]?|(?:我的|收货|收件)?地址(?:改成|改为|发你|给你)|(?:收[件货]|寄件)人?信息|[寄收送](?=[:：]))"
    r"[\s:：,，~～]*"
)
_RECEIVES = re.compile(r"\s*[(（]?\s*(?:亲收|亲启|签收|代收|收)\s*[)）]?\s*$")
# 收 apart from the name before it.
_RECEIVES_APART = re.compile(r"(?<=[\u4e00-\u9fff])\s+(?=[(（]?(?:亲收|亲启|签收|收)[)）]?(?:[\s,，;；\d]|$))")
_NAMED_IN_BRACKETS = re.compile(r"[(（]\s*([\u4e00-\u9fff·]{2,8}?)\s*(?:亲收|亲启|收)\s*[)）]")
_EXTENDED = re.compile(r"\[\d{3,6}\]$")
_IN_BRACKETS = re.compile(r"[(（]\s*(?:亲收|亲启|收|收件人|收货人)\s*[)）]")
_SEX = re.compile(r"[(（][男女][)）]")
_GLUED_DASH = re.compile(r"(?<=[\u4e00-\u9fff])[-—–](?=\d)")
_SEPARATOR = re.compile(r"[\s,，;；、|/。]+")
_SURNAMES = (
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏水窦章云苏潘葛奚范彭郎鲁韦昌马苗凤花方俞任袁柳酆鲍史唐费廉岑薛"
    "雷贺倪汤滕殷罗毕郝邬安常乐于时傅皮卞齐康伍余元卜顾孟平黄和穆萧尹姚邵湛汪祁毛禹狄米贝明臧计伏成戴谈宋茅庞熊纪舒屈项祝董梁杜阮蓝闵席季麻"
    "强贾路娄危江童颜郭梅盛林刁钟徐邱骆高夏蔡田樊胡凌霍虞万支柯昝管卢莫经房裘缪干解应宗丁宣贲邓郁单杭洪包诸左石崔吉钮龚程嵇邢滑裴陆荣翁荀羊"
    "於惠甄曲家封芮羿储靳汲邴糜松井段富巫乌焦巴弓牧隗山谷车侯宓蓬全郗班仰秋仲伊宫宁仇栾暴甘钭厉戎祖武符刘景詹束龙叶幸司韶郜黎蓟薄印宿白怀蒲"
    "邰从鄂索咸籍赖卓蔺屠蒙池乔阴郁胥能苍双闻莘党翟谭贡劳逄姬申扶堵冉宰郦雍却璩桑桂濮牛寿通边扈燕冀郏浦尚农温别庄晏柴瞿阎充慕连茹习宦艾鱼容"
    "向古易慎戈廖庾终暨居衡步都耿满弘匡国文寇广禄阙东欧殳沃利蔚越夔隆师巩厍聂晁勾敖融冷訾辛阚那简饶空曾毋沙乜养鞠须丰巢关蒯相查后荆红游竺权"
    "張陳楊黃趙吳劉孫馬羅鄭謝許馮鄧韓葉蘇盧蔣賈閻龔譚陸湯賴鍾顧嚴錢萬歐鄒倫莊簡範蕭呂"
    "逯盖益桓公肖付代占涂覃邸仝佟苑闫靖么岳楚帅缑亢况郄有琴商牟佘佴伯赏墨哈谯笪年爱阳佟言福肇揭"
)
_COMPOUND = (
    "欧阳|司马|上官|诸葛|东方|皇甫|尉迟|公孙|令狐|慕容|司徒|夏侯|南宫|端木|长孙|宇文|呼延|轩辕|百里|独孤|闻人|申屠|澹台"
)
# Tibetan names are put together of words of two characters, and have no surname.
_TIBETAN = (
    "阿旺|巴桑|白玛|边巴|才让|才仁|仓决|措姆|次旦|次仁|次旺|达瓦|达娃|旦增|丹增|德吉|顿珠|多吉|尕玛|嘎玛|格桑|贡布|贡嘎|加措|江措|金巴|拉巴"
    "|拉毛|拉姆|洛桑|罗布|罗桑|美朵|米玛|尼玛|平措|普布|强巴|曲扎|曲珍|群培|仁青|仁增|桑杰|索朗|索南|旺堆|旺姆|旺扎|央金|央宗|玉珍|扎西|卓玛"
    "|卓嘎"
)
_TITLE = "(?:先生|女士|小姐|老师|经理|总|师傅|同学|阿姨|医生|主任)"
_PERSON = re.compile(
    rf"(?:{_COMPOUND})[\u4e00-\u9fff]{{1,2}}{_TITLE}?|[{_SURNAMES}][\u4e00-\u9fff]{{1,3}}"
    rf"|(?:{_COMPOUND}|[{_SURNAMES}][\u4e00-\u9fff]{{0,2}}){_TITLE}"
    r"|[小阿老][\u4e00-\u9fff]{1,2}|[\u4e00-\u9fff]{1,6}·[\u4e00-\u9fff]{1,8}"
    rf"|(?:{_TIBETAN}){{2}}"
)
_GLUED_PERSON = re.compile(
    rf"(?:(?<=[号室楼栋座层户幢\d)）])|(?<=单元))((?:{_COMPOUND})[\u4e00-\u9fff]{{1,2}}|[{_SURNAMES}][\u4e00-\u9fff]{{1,2}})$"
)
# John Smith, next to a phone; words of firms and places are no person's.
_LATIN_PERSON = r"[A-Z][A-Za-z'-]+(?: [A-Z]\.)?(?: [A-Z][A-Za-z'-]+){1,2}"
_LATIN_BEFORE = re.compile(rf"(?:^|(?<=[,，;；\n])|(?<=[\u4e00-\u9fff\d])\s)\s*({_LATIN_PERSON})$")
_LATIN_AFTER = re.compile(rf"({_LATIN_PERSON})(?=\s*[,，;；\n]|\s*$|\s*[\u4e00-\u9fff])")
_NO_LATIN_PERSON = re.compile(
    r"\b(?:store|shop|mall|plaza|cent(?:er|re)|tower|building|block|room|floor|unit|hotel|road|street|avenue|lane|district"
    r"|city|county|town|village|province|china|company|co|ltd|inc|group|university|school|college|hospital|park|square"
    r"|gardens?|court|house|office|bank|north|south|east|west|middle)\b",
    re.IGNORECASE,
)
# Words that end places, shops and posts rather than names.
_NO_PERSON = re.compile(
    r"(?:[省市区县镇乡村路街道巷弄号室楼栋座园院里场厦店站所部厅馆城苑庭寓堂坊库房户层门口]|花园|小区|中心|超市|门卫|驿站|前台|保安|快递柜|丰巢|代收|自提|公寓"
    r"|家属|附近|旁边|对面|隔壁|公司|银行|学校|大学|医院|单元|柜台|菜鸟|谢谢|感谢)$"
)
# Characters that end short names of people too.
_NAME_TOO = "园城里楼庭堂坊苑道院"
_EDGE = " ,，;；、|/"
# 0592-5512345/6 is two numbers: the other one's digit is no house's.
_OTHER_LINE = re.compile(r"^/\d{1,4}(?!\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Contact:
    """A text taken apart: the address with its region in front, the name, the phone in its normal form, the
    postcode."""

    address: str
    name: str = ""
    phone: str = ""
    postcode: str = ""


def split_contact(text: str, is_place: Callable[[str], bool]) -> Contact:
    """Take the text apart; what is not certainly name, phone or label stays in the address. `is_place` tells whether a
    word is the name of a division."""
    plain = _INVISIBLE.sub("", text).translate(_HALF_WIDTH).strip()
    plain = _TITLE_APART.sub("", plain)
    has_colon = ":" in plain or "：" in plain
    if has_colon:
        plain = _RECEIVER.sub(lambda found: f"收件人:{found[1]}" if _is_person(found[1], is_place) else found[0], plain)
    if lead := _LEAD.match(plain):
        plain = plain[lead.end() :]
    plain = _bare(plain, is_place)
    if has_colon:
        plain = _with_one_label(plain)
    if "地址" in plain:
        plain = _GLUED_ADDRESS.sub(r"\1:", plain)
    plain = _RECEIVES_APART.sub("", plain)
    plain = _NAMED_IN_BRACKETS.sub(
        lambda found: f" {found[1]}收 " if _is_person(found[1], is_place) else found[0], plain
    )
    plain = _GLUED_LABEL.sub(
        lambda found: f"{found[1]}:{found[2]}" if _is_person(found[2], is_place) else found[0], plain
    )
    fields = _labelled(plain)
    name, phone, postcode = fields.get("name", ""), "", ""
    if "postcode" in fields:
        found = re.match(r"\d{6}(?!\d)", fields["postcode"], re.ASCII)
        postcode = found[0] if found else ""
        fields["rest"] = f"{fields.get('rest', '')} {fields['postcode'].removeprefix(postcode)}".strip()
    if "phone" in fields:
        phone, fields["rest"] = _labelled_phone(fields["phone"], fields.get("rest", ""))
    if name:
        name, fields["rest"] = _labelled_name(name, fields.get("rest", ""))
    parts = [fields.get("rest", ""), fields.get("region", ""), fields.get("address", "")]
    if fields.get("region") or fields.get("address"):
        # What stands before the labels is a contact or a part of the address: it follows.
        parts = [fields.get("region", ""), fields.get("address", ""), fields.get("rest", "")]
    address = " ".join(part for part in parts if part)
    if not phone:
        address, phone, beside = _without_phone(address, None if name else is_place)
        name = name or beside
    if not name:
        address, name = _without_receiver(address, is_place)
    return Contact(address.strip(" ,，;；、|"), name, phone, postcode)


def _bare(text: str, is_place: Callable[[str], bool]) -> str:
    """The text without the brackets round a phone, and round the name beside it: 【张三丰】【13800001111】."""
    found = list(_BRACKETED.finditer(text))
    is_phone = [phones.normal_form(one[1]) is not None and len(one[1]) >= 7 for one in found]
    for i, one in reversed(list(enumerate(found))):
        is_beside = any(is_phone[max(0, i - 1) : i + 2]) and _is_person(one[1], is_place)
        if is_phone[i] or is_beside:
            text = f"{text[: one.start()]} {one[1]} {text[one.end() :]}"
    return text


def _with_one_label(text: str) -> str:
    """The text, of whose parts of a region only the first keeps a label."""
    first = _PART_LABEL.search(text)
    if first is None:
        return text
    return f"{text[: first.start()]}地区:{_PART_LABEL.sub(' ', text[first.end() :])}"


def _labelled(text: str) -> dict[str, str]:
    """What stands behind each kind of label, and as `rest` what stands behind none."""
    labels = list(_LABEL.finditer(text))
    fields = {"rest": text[: labels[0].start()] if labels else text}
    ends = [label.start() for label in labels[1:]] + [len(text)]
    for label, end in zip(labels, ends, strict=False):
        value = text[label.end() : end].strip(" ,，;；、|。\r\n\t")
        kind = _LABELS[label[label.lastindex or 1]]
        fields[kind] = f"{fields[kind]} {value}".strip() if kind in fields else value
    return {kind: value.strip() for kind, value in fields.items()}


def _labelled_phone(value: str, rest: str) -> tuple[str, str]:
    """The phone, and the rest with what else stood behind the label."""
    found = _PHONE.search(value)
    number = phones.normal_form(found[0]) if found else None
    if found is None or number is None:
        return "", f"{rest} {value}".strip()
    return number, f"{rest} {value[: found.start()]} {value[found.end() :]}".strip()


def _labelled_name(value: str, rest: str) -> tuple[str, str]:
    """The name behind its label, without (收); what follows it is no part of it."""
    value = _SEX.sub("", _IN_BRACKETS.sub("", value))
    # A phone may be glued to it: 沈佳13611112229, 沈佳-13611112229.
    value = _PHONE.sub(r" \g<0> ", _GLUED_DASH.sub(" ", value), count=1).strip()
    first, *others = _SEPARATOR.split(value, maxsplit=1)
    if others and re.fullmatch(r"[A-Za-z.'-]+", first) and re.match(r"[A-Za-z]", others[0]):
        return value, rest
    return _called(first) or first, f"{rest} {' '.join(others)}".strip()


def _without_phone(text: str, is_place: Callable[[str], bool] | None) -> tuple[str, str, str]:
    """The text without its first phone number, the number, and the name beside it, where one is wanted."""
    for found in _PHONE.finditer(text):
        number = phones.normal_form(found[0])
        if number is None:
            continue
        before, after = text[: found.start()].rstrip(" ,，;；、|/(（:："), text[found.end() :].lstrip(" ,，;；、|)）")
        after = _OTHER_LINE.sub(r"(\g<0>)", after, count=1).lstrip(_EDGE)
        name = ""
        if is_place is not None:
            before, after, name = _beside(before, after, is_place)
        return f"{before} {after}".strip(), number, name
    return text, "", ""


def _beside(before: str, after: str, is_place: Callable[[str], bool]) -> tuple[str, str, str]:
    """A person's name at the end of what stands before the phone, or at the beginning of what follows it; else at the
    very beginning or end of the text."""
    head, last = _SEPARATOR.split(before)[0], _SEPARATOR.split(before)[-1]
    first, end = _SEPARATOR.split(after)[0], _SEPARATOR.split(after)[-1]
    if _is_person(last, is_place):
        return before.removesuffix(last).rstrip(_EDGE), after, _called(last)
    if _is_person(first, is_place):
        return before, after.removeprefix(first).lstrip(_EDGE), _called(first)
    if glued := _GLUED_PERSON.search(_called(last)):
        return before.removesuffix(last) + _called(last)[: glued.start()], after, glued[0]
    if (latin := _LATIN_BEFORE.search(before)) and _is_latin_person(latin[1], is_place):
        return before[: latin.start()].rstrip(_EDGE), after, latin[1]
    if (latin := _LATIN_AFTER.match(after)) and _is_latin_person(latin[1], is_place):
        return before, after[latin.end() :].lstrip(_EDGE), latin[1]
    if head != before and _is_person(head, is_place):
        return before.removeprefix(head).lstrip(_EDGE), after, _called(head)
    if end != after and _is_person(end, is_place):
        return before, after.removesuffix(end).rstrip(_EDGE), _called(end)
    return before, after, ""


def _without_receiver(text: str, is_place: Callable[[str], bool]) -> tuple[str, str]:
    """The text without a name that (收) marks, and the name."""
    tokens = _SEPARATOR.split(text)
    for token in (tokens[-1], tokens[0]):
        is_marked = _RECEIVES.search(token) or _IN_BRACKETS.search(token)
        if len(tokens) > 1 and is_marked and _is_person(token, is_place):
            return text.replace(token, "", 1).strip(_EDGE), _called(token)
    return text, ""


def is_compound_surname(name: str) -> bool:
    """Whether it is a family name of two characters: 欧阳, 司马."""
    return name in _COMPOUND.split("|")


def name_before(text: str, is_division_at: Callable[[int], bool]) -> str:
    """The person's name that is glued to the front of an address, where `is_division_at` its end; else nothing."""
    for length in (4, 3, 2):
        if _is_person(text[:length], lambda _word: False) and is_division_at(length):
            return text[:length]
    return ""


def _called(token: str) -> str:
    """The token without (收)."""
    return _RECEIVES.sub("", _IN_BRACKETS.sub("", token)).strip("()（） ")


def _is_latin_person(name: str, is_place: Callable[[str], bool]) -> bool:
    return not _NO_LATIN_PERSON.search(name) and not any(map(is_place, name.split()))


def _is_person(token: str, is_place: Callable[[str], bool]) -> bool:
    """Whether the word is a person's name and no place."""
    name = _EXTENDED.sub("", _called(token))
    if not _PERSON.fullmatch(name) or is_place(name):
        return False
    return not _NO_PERSON.search(name) or bool(len(name) <= 3 and name[-1] in _NAME_TOO)
