"""Reads TensorBoard's event files: records of length, checksum, content and checksum."""

import struct
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import masked_crc32c


def events(path: Path) -> list[Event]:
    """Return the events of a file. Fails where a checksum is wrong."""
    content, place, found = path.read_bytes(), 0, []
    while place < len(content):
        header = content[place : place + 8]
        (length,) = struct.unpack("<Q", header)
        body = content[place + 12 : place + 12 + length]
        checksums = content[place + 8 : place + 12] + content[place + 12 + length : place + 16 + length]
        assert struct.unpack("<II", checksums) == (masked_crc32c(header), masked_crc32c(body))
        found.append(Event.FromString(body))
        place += 16 + length
    return found


def curves(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Return the points of each curve of a file, as step and value."""
    found: dict[str, list[tuple[int, float]]] = {}
    for event in events(path):
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found
