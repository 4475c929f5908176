"""The wire formats: pure codecs between bytes and plain values. ``docs/protocol.md`` describes the formats.

``requests`` and ``queries`` are what clients send; ``maps``, ``shows`` and ``layouts`` are what they get, and what
masters store.
"""
