"""TDS 7.4 on the wire ([MS-TDS]): packets, what a client says to sign in, and the tokens of an answer. No state, no SQL."""

import asyncio
import struct
from collections.abc import Iterable
from dataclasses import dataclass

SQL_BATCH, REPLY, LOGIN, PRELOGIN = 0x01, 0x04, 0x10, 0x12
HEADER = struct.Struct(">BBHHBB")
PACKET_BYTES = 4096
ENCRYPTION_REQUIRED = 3
FEDAUTH, TERMINATOR = 0x02, 0xFF
SECURITY_TOKEN = 0x01
COLLATION = bytes((0x09, 0x04, 0xD0, 0x00, 0x34))  # SQL_Latin1_General_CP1_CI_AS
DONE = struct.pack("<BHHQ", 0xFD, 0, 0, 0)
FAILED = struct.pack("<BHHQ", 0xFD, 0x0002, 0, 0)


class NotTds(Exception):
    """What came is no TDS, or none that is understood."""


@dataclass(frozen=True)
class SignIn:
    """A LOGIN7 message: the server and database asked for, and the token of Microsoft Entra, None when it brought none."""

    server: str
    database: str
    token: str | None


async def read_message(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Type and content of the next message, all its packets; IncompleteReadError at the end of the connection."""
    content = b""
    while True:
        kind, status, length, *_ = HEADER.unpack(await reader.readexactly(HEADER.size))
        content += await reader.readexactly(length - HEADER.size)
        if status & 1:
            return kind, content


def packets(kind: int, content: bytes) -> bytes:
    """The content as packets of one message."""
    room, parts = PACKET_BYTES - HEADER.size, []
    pieces = [content[at : at + room] for at in range(0, len(content), room)] or [b""]
    for number, piece in enumerate(pieces, start=1):
        last = number == len(pieces)
        parts.append(HEADER.pack(kind, int(last), HEADER.size + len(piece), 0, number % 256, 0) + piece)
    return b"".join(parts)


def prelogin_answer() -> bytes:
    """What the server says first: everything is encrypted, and sign-in is by a token of Entra."""
    options = {0: b"\x0c\x00\x10\x00\x00\x00", 1: bytes((ENCRYPTION_REQUIRED,)), 2: b"\x00", 4: b"\x00", 6: b"\x01"}
    at, heads, values = 5 * len(options) + 1, b"", b""
    for option, value in options.items():
        heads += struct.pack(">BHH", option, at + len(values), len(value))
        values += value
    return heads + bytes((TERMINATOR,)) + values


def read_sign_in(content: bytes) -> SignIn:
    """What a LOGIN7 message asks for."""
    try:
        return SignIn(_text_at(content, 52), _text_at(content, 68), _token(content))
    except (struct.error, UnicodeDecodeError, IndexError) as broken:
        raise NotTds from broken


def _text_at(content: bytes, place: int) -> str:
    offset, length = struct.unpack_from("<HH", content, place)
    return content[offset : offset + 2 * length].decode("utf-16-le")


def _token(content: bytes) -> str | None:
    if not content[27] & 0x10:  # no extension
        return None
    (pointer,) = struct.unpack_from("<H", content, 56)
    (at,) = struct.unpack_from("<I", content, pointer)
    while content[at] != TERMINATOR:
        feature, length = struct.unpack_from("<BI", content, at)
        if feature == FEDAUTH and content[at + 5] >> 1 == SECURITY_TOKEN:
            (size,) = struct.unpack_from("<I", content, at + 6)
            return content[at + 10 : at + 10 + size].decode("utf-16-le")
        at += 5 + length
    return None


def batch_text(content: bytes) -> str:
    """The T-SQL of a batch, which begins with headers."""
    (length,) = struct.unpack_from("<I", content)
    return content[length:].decode("utf-16-le")


def signed_in(database: str) -> bytes:
    """The tokens that say: you are in, in this database."""
    change = bytes((1, len(database))) + database.encode("utf-16-le") + b"\x00"
    name = "Microsoft SQL Server"
    acknowledged = struct.pack(">BIB", 1, 0x74000004, len(name)) + name.encode("utf-16-le") + b"\x0c\x00\x10\x00"
    return (
        struct.pack("<BH", 0xE3, len(change)) + change
        + struct.pack("<BH", 0xAD, len(acknowledged)) + acknowledged
        + struct.pack("<BBIB", 0xAE, FEDAUTH, 0, TERMINATOR)
        + DONE
    )  # fmt: skip


def refused(*errors: tuple[int, str]) -> bytes:
    """The tokens of these errors, by number and words, of the class that a statement's mistakes have."""
    answer = b""
    for number, message in errors:
        said = message.encode("utf-16-le")
        body = struct.pack("<IBBH", number, 1, 16, len(message)) + said + b"\x00\x00" + struct.pack("<I", 1)
        answer += struct.pack("<BH", 0xAA, len(body)) + body
    return answer + FAILED


def rows_answer(column: str, values: Iterable[object]) -> bytes:
    """The tokens of a result with one column of text."""
    name = column.encode("utf-16-le")
    answer = struct.pack("<BH", 0x81, 1) + struct.pack("<IHBH", 0, 1, 0xE7, 8000) + COLLATION
    answer += bytes((len(column),)) + name
    for value in values:
        text = b"" if value is None else str(value).encode("utf-16-le")
        answer += b"\xd1" + (b"\xff\xff" if value is None else struct.pack("<H", len(text)) + text)
    return answer + DONE
