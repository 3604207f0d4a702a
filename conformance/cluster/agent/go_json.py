"""
JSON as Go reads it, with Go's words for what is wrong.

The agent hands the decoder's own error to whoever sent a broken token, so the
text is part of its contract. Python's decoder differs in more than words: it
takes NaN, gives up on deep nesting with an exception of its own, and refuses
long integers. This one walks iteratively and keeps numbers as they were written.

Source: Go 1.26, encoding/json/scanner.go; the errors are those of its states.
"""

import json
import re

MAX_DEPTH = 10_000
"""encoding/json's maxNestingDepth."""

_BLANK = re.compile(rb"[ \t\r\n]*")
_PLAIN = re.compile(rb"[^\"\\\x00-\x1f]*")
_DIGITS = re.compile(rb"[0-9]*")
_LITERALS: dict[bytes, tuple[bytes, bool | None]] = {
    b"t": (b"true", True),
    b"f": (b"false", False),
    b"n": (b"null", None),
}
_CLOSING = {b"{": b"}", b"[": b"]"}
_NAMED = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_NAMED |= {"\v": "\\v", "\\": "\\\\", "'": "\\'"}


class GoJsonError(ValueError):
    """What Go's `json.Unmarshal` says."""


class Number(str):
    """A number, as it was written."""

    __slots__ = ()


class Text(str):
    """A string, decoded; `raw` is how it was written, quotes and escapes and all."""

    raw: bytes


class Pairs(list[tuple[str, "Value"]]):
    """An object's members in order, doublets and all."""


Value = Text | Number | bool | list["Value"] | Pairs | None
Container = Pairs | list[Value]


def kind_of(value: Value) -> str:
    """Go's word for the kind of a JSON value, as its type errors use it."""
    if isinstance(value, Number):
        return "number"
    if isinstance(value, Text):
        return "string"
    if isinstance(value, bool):
        return "bool"
    return "object" if isinstance(value, Pairs) else "array"


def parse(data: bytes) -> Value:
    """The one value that `data` holds; raises `GoJsonError`."""
    open_: list[Container] = []
    keys: list[str] = []
    at = 0
    while True:
        value, at = _value(data, at, open_, keys)
        more = False
        while not more:
            at = _skip(data, at)
            if not open_:
                if at < len(data):
                    raise _wrong(data, at, "after top-level value")
                return value
            more, at = _attach(data, at, value, open_[-1], keys)
            if not more:
                value = open_.pop()


def _value(data: bytes, at: int, open_: list[Container], keys: list[str]) -> tuple[Value, int]:
    """The next complete value; containers that begin on the way to it are left open."""
    while True:
        at = _skip(data, at)
        first = data[at : at + 1]
        if first not in _CLOSING:
            return _scalar(data, at)
        open_.append(Pairs() if first == b"{" else [])
        if len(open_) > MAX_DEPTH:
            raise _wrong(data, at, "exceeded max depth")
        at = _skip(data, at + 1)
        if data[at : at + 1] == _CLOSING[first]:
            return open_.pop(), at + 1
        if first == b"{":
            at = _key(data, at, keys)


def _attach(
    data: bytes, at: int, value: Value, container: Container, keys: list[str]
) -> tuple[bool, int]:
    """Put a value into its container; tells whether another follows."""
    after = data[at : at + 1]
    if isinstance(container, Pairs):
        container.append((keys.pop(), value))
        if after == b",":
            return True, _key(data, _skip(data, at + 1), keys)
        if after != b"}":
            raise _wrong(data, at, "after object key:value pair")
    else:
        container.append(value)
        if after not in (b",", b"]"):
            raise _wrong(data, at, "after array element")
    return after == b",", at + 1


def _skip(data: bytes, at: int) -> int:
    match = _BLANK.match(data, at)
    return match.end() if match else at


def _wrong(data: bytes, at: int, context: str) -> GoJsonError:
    if at >= len(data):
        return GoJsonError("unexpected end of JSON input")
    return GoJsonError(f"invalid character {_quoted(chr(data[at]))} {context}")


def _quoted(character: str) -> str:
    if character in _NAMED:
        return f"'{_NAMED[character]}'"
    code = ord(character)
    if code < 0x20 or code == 0x7F:
        return f"'\\x{code:02x}'"
    if 0x80 <= code <= 0xA0 or code == 0xAD:
        return f"'\\u{code:04x}'"
    return f"'{character}'"


def _cut(data: bytes, at: int, context: str) -> GoJsonError:
    """Inside a number, literal or escape Go pretends that a blank follows the end."""
    if at >= len(data):
        return GoJsonError(f"invalid character ' ' {context}")
    return _wrong(data, at, context)


def _key(data: bytes, at: int, keys: list[str]) -> int:
    if data[at : at + 1] != b'"':
        raise _wrong(data, at, "looking for beginning of object key string")
    key, at = _string(data, at)
    at = _skip(data, at)
    if data[at : at + 1] != b":":
        raise _wrong(data, at, "after object key")
    keys.append(key)
    return at + 1


def _scalar(data: bytes, at: int) -> tuple[Value, int]:
    first = data[at : at + 1]
    if first == b'"':
        return _string(data, at)
    if first in _LITERALS:
        word, value = _LITERALS[first]
        for offset in range(1, len(word)):
            if data[at + offset : at + offset + 1] != word[offset : offset + 1]:
                expecting = f"(expecting '{chr(word[offset])}')"
                raise _cut(data, at + offset, f"in literal {word.decode()} {expecting}")
        return value, at + len(word)
    if first == b"-" or first.isdigit():
        return _number(data, at)
    raise _wrong(data, at, "looking for beginning of value")


def _number(data: bytes, start: int) -> tuple[Number, int]:
    at = start + (data[start : start + 1] == b"-")
    at = at + 1 if data[at : at + 1] == b"0" else _digits(data, at, "in numeric literal")
    if data[at : at + 1] == b".":
        at = _digits(data, at + 1, "after decimal point in numeric literal")
    if data[at : at + 1] in (b"e", b"E"):
        at += 1 + (data[at + 1 : at + 2] in (b"+", b"-"))
        at = _digits(data, at, "in exponent of numeric literal")
    return Number(data[start:at].decode()), at


def _digits(data: bytes, at: int, context: str) -> int:
    match = _DIGITS.match(data, at)
    if match is None or match.end() == at:
        raise _cut(data, at, context)
    return match.end()


def _string(data: bytes, start: int) -> tuple[Text, int]:
    at = start + 1
    escaped = False
    while True:
        match = _PLAIN.match(data, at)
        at = match.end() if match else at
        character = data[at : at + 1]
        if character == b'"':
            break
        if character != b"\\":
            raise _wrong(data, at, "in string literal")
        escaped = True
        at = _escape(data, at + 1)
    raw = data[start : at + 1]
    written = raw.decode("utf-8", "replace")
    if not escaped:
        text = Text(written[1:-1])
    else:
        # Half a surrogate pair becomes U+FFFD in Go; Python keeps it.
        halves: str = json.loads(written, strict=False)
        text = Text(halves.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    text.raw = raw
    return text, at + 1


def _escape(data: bytes, at: int) -> int:
    character = data[at : at + 1]
    if character != b"u":
        if character not in (b"b", b"f", b"n", b"r", b"t", b"\\", b"/", b'"'):
            raise _cut(data, at, "in string escape code")
        return at + 1
    for offset in range(1, 5):
        if data[at + offset : at + offset + 1] not in _HEX:
            raise _cut(data, at + offset, "in \\u hexadecimal character escape")
    return at + 5


_HEX = frozenset(bytes([byte]) for byte in b"0123456789abcdefABCDEF")


def quoted_bytes(raw: bytes) -> str:
    """Go's `%q`: what is not UTF-8 is shown as its bytes."""
    shown = json.dumps(raw.decode("utf-8", "surrogateescape"), ensure_ascii=False)
    return re.sub(r"[\udc80-\udcff]", lambda byte: f"\\x{ord(byte[0]) - 0xDC00:02x}", shown)
