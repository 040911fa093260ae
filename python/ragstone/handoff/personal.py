"""Finds personal data by its form: addresses, numbers with their checksums, names after a greeting.

It finds what has a form. A name in the middle of a sentence, or what somebody tells about a person, has none: this is
a net for the common cases and no proof that a text is free of personal data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_address

from ragstone.handoff.spans import Span, apart

__all__ = ["KINDS", "personal_spans"]

# A name: up to three capitalised words, particles between them.
_NAME = r"[^\W\d_a-z][\w'’-]*(?:[ ](?:(?:van|von|de|der|den|la|le|da|di|bin|al)[ ])*[^\W\d_a-z][\w'’-]*){0,2}"
# Whom a greeting may address besides a person, and words that open a sentence after one.
_NO_NAMES_TEXT = """
    all client colleague colleagues customer customers editor everyone folks friend friends guest hiring madam member
    reader sir support team there user valued world a an are can could did do does for good has have how i i'm i’m i've
    in is it it's just my need no not on our please thank thanks that the there's this to want we what when where who
    why will would yes you your"""
_NO_NAMES = frozenset(_NO_NAMES_TEXT.split())
_STREET = r"(?:street|st|road|rd|avenue|ave|lane|ln|drive|dr|boulevard|blvd|court|ct|place|pl|square|way|close|terrace)"
_STREETS_ABROAD = r"[^\W\d_]{2,30}(?:straße|strasse|str\.|weg|gasse|allee|platz|straat|laan)"


def _luhn(text: str) -> bool:
    """Whether digits are a card's: of an issuer's range, 13 to 19, with Luhn's check digit (ISO/IEC 7812)."""
    digits = [int(one) for one in text if one.isdigit()]
    if not 13 <= len(digits) <= 19 or not (digits[0] in (3, 4, 5, 6) or digits[:2] in ([2, 2], [2, 7])):
        return False
    doubled = (one if place % 2 == 0 else one * 2 - 9 * (one > 4) for place, one in enumerate(reversed(digits)))
    return sum(doubled) % 10 == 0


def _iban(text: str) -> bool:
    """Whether the number modulo 97 is 1 (ISO 13616)."""
    plain = "".join(text.split()).upper()
    if not 15 <= len(plain) <= 34:
        return False
    return int("".join(str(int(one, 36)) for one in plain[4:] + plain[:4])) % 97 == 1


def _address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    # "::" and the like are marks in code, and four numbers with dots of one digit each are versions.
    return len(text) >= 7 and not re.fullmatch(r"\d(?:\.\d){3}", text)


def _phone(text: str) -> bool:
    digits, plain = len(re.sub(r"\D", "", text)), text.strip()
    if plain.startswith("+") or re.match(r"\(0?\d{2,4}\)[ .\-/]?\d", plain):
        return 7 <= digits <= 15
    if re.match(r"00[1-9]", plain):
        return 10 <= digits <= 15
    # Without such a mark it is a number, a date, an order's or an account's unless it is written in groups.
    grouped = len(re.findall(r"[ .\-/()]+", plain)) >= 2 and not re.fullmatch(r"\d{1,3}(?:[ .]\d{3})+", plain)
    years_or_date = re.match(r"\d{1,4}([./-])\d{1,2}\1\d{1,4}(?!\d)|.*[12]\d{3}[-/][12]\d{3}(?!\d)", plain)
    return 9 <= digits <= 15 and grouped and "(" not in plain and not years_or_date


def _security_number(text: str) -> bool:
    """A United States number in its valid ranges, or another country's by its form."""
    if re.fullmatch(r"\d{3}-\d{2}-\d{4}", text):
        area, group, serial = text.split("-")
        return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"
    return True


def _is_name(text: str) -> bool:
    return text.split()[0].casefold() not in _NO_NAMES


def _always(text: str) -> bool:
    return True


# Kind, form (group 1 where there is one), what it must pass besides. The first of two that overlap counts.
_RULES: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("email", re.compile(r"(?<![\w.+-])[\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])"), _always),
    ("iban", re.compile(r"(?<!\w)[A-Za-z]{2}\d{2}(?:[ ]?[A-Za-z0-9]{2,4}){3,8}(?!\w)"), _iban),
    ("card", re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])"), _luhn),
    ("ip", re.compile(r"(?<![\w.:])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\d)"), _address),
    ("ip", re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])"), _address),
    ("national_id", re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"), _security_number),
    ("national_id", re.compile(r"(?<!\w)[A-CEGHJ-PR-TW-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D](?!\w)"), _security_number),
    (
        "national_id",
        re.compile(
            r"(?i:\b(?:ssn|social security|passport|national id|identity card|tax id|personal number)\b"
            r"(?:[ ](?:no\.?|number|is))*[ :#]*)((?=(?:[A-Z-]*\d){4})[A-Z0-9-]{6,15})(?!\w)"
        ),
        _security_number,
    ),
    ("phone", re.compile(r"(?<![\w.,:/-])(?:\+|00)?\(?\d{1,4}\)?(?:[ .\-/]{0,2}\(?\d{2,5}\)?){2,5}(?![\w-])"), _phone),
    ("address", re.compile(rf"(?<!\w)\d{{1,5}}[a-z]?[ ](?:[^\W\d_a-z][\w'’-]*[ ]){{1,3}}(?i:{_STREET})\b\.?"), _always),
    ("address", re.compile(rf"(?<!\w){_STREETS_ABROAD}[ ]\d{{1,4}}[a-z]?(?!\w)"), _always),
    (
        "name",
        re.compile(rf"(?:\b(?:Dear|Hi|Hello|Hey|Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Herr|Frau)\b\.?[ ]){{1,2}}({_NAME})"),
        _is_name,
    ),
    ("name", re.compile(rf"(?i:\bmy name is|\bregards,|\bsincerely,|\bi am called)\s({_NAME})"), _is_name),
)
# Kinds that may stand in a text without a digit; all others are not looked for there.
_WITHOUT_DIGITS = frozenset(["email", "name"])
_DIGIT = re.compile(r"\d")
KINDS = tuple(dict.fromkeys(kind for kind, _, _ in _RULES))


def personal_spans(text: str) -> list[Span]:
    """What looks like personal data, in order, without overlaps; slots in braces are none.

    >>> found = personal_spans("Dear Ms Ada Byron, mail ada@example.org or call +44 20 7946 0000")
    >>> [(span.kind, span.text) for span in found]
    [('name', 'Ada Byron'), ('email', 'ada@example.org'), ('phone', '+44 20 7946 0000')]
    """
    return apart(_found(text))


def _found(text: str) -> Iterator[Span]:
    numbers = _DIGIT.search(text) is not None
    for kind, pattern, passes in _RULES:
        if not numbers and kind not in _WITHOUT_DIGITS:
            continue
        for match in pattern.finditer(text):
            start, end = match.span(1 if pattern.groups else 0)
            # What follows an account's number may look like its last group.
            while kind == "iban" and end > start and not passes(text[start:end]):
                end = max(text.rfind(" ", start, end), start)
            if end > start and passes(text[start:end]):
                yield Span(start, end, kind, text[start:end])
