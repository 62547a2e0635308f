"""Sound requests made unlikely, field by field."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

NUMBERS = [0, 1, 2, 3, 5, 100, -1, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 253_402_300_800]
CRASHES = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE}
"""What no request of whatever kind is answered with."""


def messages(message: Message) -> Iterator[Message]:
    """Yield the message and all that is set in it."""
    yield message
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE and not is_map(field):
            for inner in [value] if isinstance(value, Message) else value:
                yield from messages(inner)


def is_map(field: FieldDescriptor) -> bool:
    """Whether a field is a map."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def scalar(field: FieldDescriptor, draw: random.Random, texts: Sequence[str]) -> Any:
    """Return a value that the field's type can hold, of the unlikely kind."""
    if field.type == FieldDescriptor.TYPE_STRING:
        return draw.choice(texts)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return draw.random() < 0.5
    bits = 32 if field.type in {FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_ENUM} else 64
    return draw.choice(
        [number for number in NUMBERS if -(2 ** (bits - 1)) <= number < 2 ** (bits - 1)]
    )


def disturb(message: Any, draw: random.Random, texts: Sequence[str]) -> None:
    """Change one field of a message: set it, clear it, or let it grow."""
    field = draw.choice(message.DESCRIPTOR.fields)
    if draw.random() < 0.15:
        message.ClearField(field.name)
    elif is_map(field):
        getattr(message, field.name)[draw.choice(texts)] = draw.choice(texts)
    elif field.is_repeated:
        items = getattr(message, field.name)
        if field.type != FieldDescriptor.TYPE_MESSAGE:
            items.append(scalar(field, draw, texts))
        elif len(items) and draw.random() < 0.5:
            items.add().CopyFrom(draw.choice(items))
        else:
            disturb(items.add(), draw, texts)
    elif field.type == FieldDescriptor.TYPE_MESSAGE:
        inner = getattr(message, field.name)
        inner.SetInParent()
        disturb(inner, draw, texts)
    else:
        setattr(message, field.name, scalar(field, draw, texts))
