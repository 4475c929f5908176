"""The light client's frame reader: complete messages for any chunks; frames that servers must not send are refused."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.websocket import BINARY, CLOSE, MAX_MESSAGE_BYTES, PING, PONG, TEXT, FrameReader, ProtocolError, masked


def frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    size = len(payload)
    head = bytes(((0x80 if final else 0) | opcode,))
    if size < 126:
        return head + bytes((size,)) + payload
    if size < 1 << 16:
        return head + b"\x7e" + size.to_bytes(2, "big") + payload
    return head + b"\x7f" + size.to_bytes(8, "big") + payload


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[tuple[int, bytes]], bytes]:
    """Messages, and bytes in which a server may send them: in fragments, with control frames in between."""
    sizes = st.sampled_from([0, 1, 5, 125, 126, 127, 300, 65_535, 65_536, 70_000])
    messages, sent = [], b""
    for _ in range(draw(st.integers(1, 5))):
        opcode = draw(st.sampled_from([TEXT, BINARY, PING, PONG, CLOSE]))
        size = draw(sizes)
        payload = random.Random(size).randbytes(size if opcode in (TEXT, BINARY) else min(size, 125))
        if opcode in (TEXT, BINARY) and draw(st.booleans()):
            cut = draw(st.integers(0, len(payload)))
            ping = draw(st.booleans())
            sent += frame(opcode, payload[:cut], final=False)
            if ping:
                messages.append((PING, b"still there?"))
                sent += frame(PING, b"still there?")
            sent += frame(0, payload[cut:])
        else:
            sent += frame(opcode, payload)
        messages.append((opcode, payload))
    return messages, sent


@given(conversations(), st.lists(st.integers(1, 3_000), max_size=40))
def test_messages_do_not_depend_on_chunks(conversation: tuple[list[tuple[int, bytes]], bytes], cuts: list[int]) -> None:
    messages, sent = conversation
    reader, received = FrameReader(), []
    for size in cuts:
        received += reader.feed(sent[:size])
        sent = sent[size:]
    received += reader.feed(sent)
    assert received == messages


@given(st.binary(max_size=400))
def test_random_bytes_raise_only_protocol_errors(data: bytes) -> None:
    reader = FrameReader()
    try:
        for byte in data:
            reader.feed(bytes((byte,)))
    except ProtocolError:
        pass


@pytest.mark.parametrize(
    "bad",
    [
        b"\x81\x80\0\0\0\0",  # masked
        b"\xc1\x00",  # a bit for extensions
        b"\x83\x00",  # an opcode that does not exist
        frame(0, b"goes on from nothing"),
        frame(TEXT, b"one", final=False) + frame(TEXT, b"another"),
        frame(PING, b"in parts", final=False),
        b"\x82\x7f" + (MAX_MESSAGE_BYTES + 1).to_bytes(8, "big"),
    ],
)
def test_frames_that_servers_must_not_send_are_refused(bad: bytes) -> None:
    with pytest.raises(ProtocolError):
        FrameReader().feed(bad)


@given(st.binary(max_size=70_000), st.sampled_from([TEXT, PONG]))
def test_sent_frames_are_masked_and_complete(payload: bytes, opcode: int) -> None:
    sent = masked(opcode, payload)
    assert sent[0] == 0x80 | opcode
    assert sent[1] & 0x80
    start = {126: 4, 127: 10}.get(sent[1] & 0x7F, 2)
    size = sent[1] & 0x7F if start == 2 else int.from_bytes(sent[2:start], "big")
    key, body = sent[start : start + 4], sent[start + 4 :]
    assert size == len(body) == len(payload)
    assert bytes(byte ^ key[n % 4] for n, byte in enumerate(body)) == payload
