"""What is checked of a request before any use case sees it: unknown fields and shape."""

import protovalidate
from google.protobuf.message import Message

from services.kernel.errors import Violation

_VIOLATIONS_MAX = 20
# A map's key is the caller's text: an error's details have to fit the 8 KiB of a gRPC trailer.
_KEY_LENGTH_MAX = 40


def has_unknown_fields(request: Message) -> bool:
    """Whether the request holds a field, at any depth, that this release does not know.

    A newer client may have asked for something narrower than this release would do, so a mutation
    with an unknown field is refused. The unknown fields are dropped from `request` by the look.
    """
    size = request.ByteSize()
    request.DiscardUnknownFields()
    return request.ByteSize() != size


def shape_violations(request: Message) -> list[Violation]:
    """Return what protovalidate's rules in the contract find wrong, at most twenty."""
    return [
        Violation(_path(found.proto.field), found.proto.message or found.proto.rule_id)
        for found in protovalidate.collect_violations(request)[:_VIOLATIONS_MAX]
    ]


def _path(field: object) -> str:
    """Write a violation's path as clients do: `items[3].transaction.kind`."""
    parts: list[str] = []
    for element in getattr(field, "elements", ()):
        name = element.field_name
        subscript = getattr(element, "subscript", None)
        value = getattr(subscript, "value", None)
        if isinstance(value, str):
            value = ascii(value[:_KEY_LENGTH_MAX])
        parts.append(f"{name}[{value}]" if value is not None else name)
    return ".".join(parts)
