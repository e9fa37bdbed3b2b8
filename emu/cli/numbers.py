"""Numbers as people type them on a command line: sizes, counts, addresses.

Each function is a click type: it takes the text and answers the number, or raises
click.BadParameter, which names the rule and the text.
"""

from __future__ import annotations

import math
import re

import click

SCALES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
MAX_DIGITS = 70  # more is a slip of the finger, and slow to convert


def size(text: str) -> int:
    """Bytes: 16M, 64k, 0x100000, 4096."""
    match = re.fullmatch(r"(0[xX][0-9a-fA-F]+|[0-9]+)([KMG]?)(?:i?B)?", text, re.IGNORECASE)
    if match is None or len(text) > MAX_DIGITS:
        raise click.BadParameter(f"a size is a number with or without K, M or G, got {text!r}")
    return int(match[1], 16 if match[1][:2] in {"0x", "0X"} else 10) * SCALES[match[2].upper()]


def count(text: str) -> int:
    """A whole number of something: 1000000, 1e6, 2.5e6, 1_000_000, 0x10."""
    if text[:2] in {"0x", "0X"} and (number := unsigned(text)) is not None:
        return number
    match = re.fullmatch(r"([0-9][0-9_]*)(?:\.([0-9]+))?(?:[eE]([0-9]{1,2}))?", text)
    if match is None or len(text) > MAX_DIGITS:
        raise click.BadParameter(f"a count is a number such as 5000 or 1e6, got {text!r}")
    fraction, exponent = match[2] or "", int(match[3] or 0)
    if len(fraction) > exponent:
        raise click.BadParameter(f"a count is a whole number, got {text!r}")
    return int(match[1] + fraction + "0" * (exponent - len(fraction)))


def seed(text: str) -> int:
    """What everything random begins with: 0 to 2^64-1."""
    number = count(text)
    if number >= 1 << 64:
        raise click.BadParameter(f"a seed is a number from 0 to 2^64-1, got {text!r}")
    return number


def duration(text: str) -> float:
    """Seconds, above 0: 10, 0.5, 1e3."""
    try:
        span = float(text)
    except ValueError:
        span = math.nan
    if not 0 < span < math.inf:
        raise click.BadParameter(f"a time is a number of seconds above 0, got {text!r}")
    return span


def vcpu_number(text: str) -> int:
    """A vcpu: 1, or v1 as reports name it."""
    match = re.fullmatch("v?([0-9]{1,9})", text)
    if match is None:
        raise click.BadParameter(f"a vcpu is a number, as 1 or v1, got {text!r}")
    return int(match[1])


def address(text: str) -> int:
    """An address or another unsigned 64-bit value: 0x10000, 65536."""
    number = unsigned(text)
    if number is None:
        raise click.BadParameter(f"an address is a number from 0 to 2^64-1, got {text!r}")
    return number


def unsigned(text: str) -> int | None:
    """The unsigned 64-bit value that the text writes (decimal, 0x, 0b, 0o); None if it does not."""
    if len(text) > MAX_DIGITS:
        return None
    try:
        number = int(text, 0)
    except ValueError:
        return None
    return number if 0 <= number < 1 << 64 else None
