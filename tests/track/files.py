"""Readers of what trackers wrote, by the formats' own definitions."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tensorboardX.crc32c import crc32c
from tensorboardX.proto.event_pb2 import Event

Figures = dict[str, list[tuple[int, float]]]


def _masked(data: bytes) -> int:
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def events(folder: Path) -> Iterator[Event]:
    """The events of the one event file, whose checksums must be right (TFRecord)."""
    (path,) = folder.glob("events.out.tfevents.*")
    data, at = path.read_bytes(), 0
    while at < len(data):
        head = data[at : at + 8]
        (length,) = struct.unpack("<Q", head)
        assert struct.unpack("<I", data[at + 8 : at + 12]) == (_masked(head),)
        body = data[at + 12 : at + 12 + length]
        end = at + 16 + length
        assert struct.unpack("<I", data[end - 4 : end]) == (_masked(body),)
        yield Event.FromString(body)
        at = end


def tensorboard(folder: Path) -> tuple[Figures, dict[str, list[tuple[int, str]]]]:
    """Figures and texts by their tags, in the order of the file."""
    figures: Figures = {}
    texts: dict[str, list[tuple[int, str]]] = {}
    for event in events(folder):
        for value in event.summary.value:
            if value.WhichOneof("value") == "simple_value":
                figures.setdefault(value.tag, []).append((event.step, value.simple_value))
            else:
                text = value.tensor.string_val[0].decode()
                texts.setdefault(value.tag, []).append((event.step, text))
    return figures, texts


def _wandb_records(path: Path) -> Iterator[bytes]:
    """Records of a .wandb file: LevelDB's log format, blocks of 32 KiB, after a header of 7."""
    data, at, whole = path.read_bytes(), 7, b""
    assert data[:4] == b":W&B"
    while at < len(data):
        if (left := 32768 - at % 32768) < 7:  # what is too little for a head is left empty
            at += left
            continue
        if len(data) - at < 7:
            return
        crc, length, kind = struct.unpack("<IHB", data[at : at + 7])
        body = data[at + 7 : at + 7 + length]
        if len(body) < length:
            return  # it is being written
        assert crc == zlib.crc32(bytes([kind]) + body)
        whole += body
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield whole
            whole = b""


def wandb(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Configuration and history of the one offline run."""
    from wandb.proto.wandb_internal_pb2 import Record

    config: dict[str, Any] = {}
    history: list[dict[str, Any]] = []
    paths = list(folder.glob("offline-run-*/run-*.wandb"))  # none for a moment, when made anew
    for data in [data for path in paths for data in _wandb_records(path)]:
        record = Record.FromString(data)
        for item in record.run.config.update:
            config[item.key] = json.loads(item.value_json)
        if record.HasField("history"):
            row = {
                item.key or ".".join(item.nested_key): json.loads(item.value_json)
                for item in record.history.item
            }
            history.append(row)
    return config, history
