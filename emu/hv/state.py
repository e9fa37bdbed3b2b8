"""Lays out the hypervisor's own state: records of named 64-bit words.

Knows nothing of what the words mean. A field read on a record gives its *ref*, the number of its
word in the machine's state, which is what host code hands to its operations; the value is
`words[ref]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, overload


class Field:
    """One word of a record.

    shared: other actors may look at it, so that an access is a scheduling point. A private field
    belongs to one actor at a time. initial: its value in a new machine.
    """

    def __init__(self, doc: str, *, shared: bool = False, initial: int = 0) -> None:
        self.doc = doc
        self.shared = shared
        self.initial = initial
        self.name = ""
        self.offset = 0

    def __set_name__(self, owner: type[Record], name: str) -> None:
        """Take the next word of the record that declares this field."""
        self.name = name

    @overload
    def __get__(self, record: None, owner: type[Record]) -> Field: ...
    @overload
    def __get__(self, record: Record, owner: type[Record]) -> int: ...
    def __get__(self, record: Record | None, owner: type[Record]) -> Field | int:
        """Give the field's ref in a record."""
        return self if record is None else record.base + self.offset


def shared(doc: str, initial: int = 0) -> Field:
    """Declare a field that other actors may read or write."""
    return Field(doc, shared=True, initial=initial)


def private(doc: str, initial: int = 0) -> Field:
    """Declare a field that only its owner looks at while it matters."""
    return Field(doc, initial=initial)


@dataclass(frozen=True, slots=True)
class Word:
    """What a ref stands for: `record.field`, and how it may be accessed."""

    name: str
    shared: bool
    initial: int
    doc: str


class Record:
    """A group of fields, placed in a layout under a name such as `vcpu1`."""

    fields: ClassVar[tuple[Field, ...]] = ()

    def __init_subclass__(cls) -> None:
        """Number the fields in the order of their declaration, after the parent's."""
        own = [value for value in vars(cls).values() if isinstance(value, Field)]
        cls.fields = (*cls.fields, *own)
        for offset, field in enumerate(cls.fields):
            field.offset = offset

    def __init__(self, layout: Layout, name: str) -> None:
        self.name = name
        self.base = layout.place(self)

    def __repr__(self) -> str:
        """Show as in schedules and explanations."""
        return self.name


class Layout:
    """Hands out the words of the host area from its first ref upwards."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.words: list[Word] = []

    def place(self, record: Record) -> int:
        """Append the record's fields; returns the ref of the first."""
        base = self.first + len(self.words)
        for field in record.fields:
            name = f"{record.name}.{field.name}"
            self.words.append(Word(name, field.shared, field.initial, field.doc))
        return base

    def array(self, name: str, count: int, doc: str, *, shared: bool) -> tuple[int, ...]:
        """Append `count` words `name[0]`...; returns their refs."""
        base = self.first + len(self.words)
        self.words += [Word(f"{name}[{i}]", shared, 0, doc) for i in range(count)]
        return tuple(range(base, base + count))

    def __getitem__(self, ref: int) -> Word:
        """Say what a ref of the host area stands for."""
        return self.words[ref - self.first]
