"""The records of a .wandb file: LevelDB's log format, protobuf in it, read without wandb.

A file begins with `:W&B`, a magic number and a version. Blocks of 32 KiB hold pieces of a checksum
(CRC-32 of type and data), a length and a type: a whole record, or its first, middle or last part
(LevelDB's log_format.md; wandb writes it in core/internal/transactionlog). Field numbers are those
of wandb/proto/wandb_internal.proto, which protobuf never changes.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from actstudy.contract.errors import StudyError

HEADER = b":W&B"
HEADER_LENGTH = 7
BLOCK = 32768
PIECE = struct.Struct("<IHB")  # checksum, length, type
FULL = 1  # kinds of pieces; those in the middle of a record are 3
FIRST = 2
LAST = 4
VARINT = 0  # protobuf's wire types
FIXED64 = 1
BYTES = 2
FIXED32 = 5
MAX_VARINT = 10  # bytes
Fields = list[tuple[int, int | bytes]]


def records(raw: bytes, path: Path) -> Iterator[bytes]:
    """The records of a file; StudyError with the byte at which it is damaged.

    A file that ends inside of a record, as of a run that was killed, has those before it.
    """
    if raw[: len(HEADER)] != HEADER or len(raw) < HEADER_LENGTH:
        raise StudyError(f"{path}: got {raw[:4]!r} first; allowed: a .wandb file, which has :W&B")
    parts = b""
    place = HEADER_LENGTH
    while place < len(raw):
        room = BLOCK - place % BLOCK
        if room < PIECE.size:
            place += room
            continue
        if place + PIECE.size > len(raw):
            return
        checksum, length, kind = PIECE.unpack_from(raw, place)
        if checksum == length == kind == 0:  # a block's end that was never written
            place += room
            continue
        start = place + PIECE.size
        if start + length > len(raw):
            return
        data = raw[start : start + length]
        if zlib.crc32(data, zlib.crc32(bytes([kind]))) != checksum:
            raise StudyError(f"{path}: byte {place}: damaged: a record without its checksum")
        parts = data if kind in (FULL, FIRST) else parts + data
        if kind in (FULL, LAST):
            yield parts
        place = start + length


def fields(message: bytes, path: Path) -> Fields:
    """Number and value of each field of a protobuf message; StudyError if it is none."""
    result: Fields = []
    place = 0
    while place < len(message):
        key, place = varint(message, place, path)
        kind = key & 7
        if kind == VARINT:
            value, place = varint(message, place, path)
            result.append((key >> 3, value))
            continue
        if kind == BYTES:
            length, place = varint(message, place, path)
        elif kind in (FIXED32, FIXED64):
            length = 4 if kind == FIXED32 else 8
        else:
            raise damaged(path)
        if place + length > len(message):
            raise damaged(path)
        result.append((key >> 3, message[place : place + length]))
        place += length
    return result


def varint(message: bytes, place: int, path: Path) -> tuple[int, int]:
    """The whole number that begins at a place, and the place behind it."""
    value = 0
    for shift in range(MAX_VARINT):
        if place >= len(message):
            raise damaged(path)
        byte = message[place]
        place += 1
        value |= (byte & 127) << 7 * shift
        if byte < 128:
            return value, place
    raise damaged(path)


def damaged(path: Path) -> StudyError:
    """The refusal of a record that is no protobuf."""
    return StudyError(f"{path}: damaged: a record is not readable as protobuf")


def parts(message: Fields, number: int) -> Iterator[bytes]:
    """The messages and texts among fields that have a number."""
    for own, value in message:
        if own == number and isinstance(value, bytes):
            yield value


def text(message: Fields, number: int) -> str:
    """The text of a field, the last if there are several, empty if there is none."""
    texts = list(parts(message, number))
    return texts[-1].decode("utf-8", "replace") if texts else ""
