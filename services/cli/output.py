"""What commands print: tables for people, JSON for programs; no colours into pipes."""

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import zip_longest
from typing import Any, Generic, Protocol, TypeVar

import typer
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich.cells import cell_len

from services.cli.failures import wrong_use
from services.kernel.money import format_amount
from vezne.type.v1.money_pb2 import Money

_GAP = 2
# A sentence in fewer characters than that is hard to read.
_PROSE_LEAST = 24

Shown = TypeVar("Shown")
ShownMessage = TypeVar("ShownMessage", bound=Message)


class Output(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


@dataclass(frozen=True)  # Without slots: with them a generic one cannot be made (Python 3.11).
class Column(Generic[Shown]):
    """A column of a table. Ids, amounts and words are shown whole or not at all.

    Args:
        title: its head.
        of: gives a row's cell.
        number: whether it is set to the right.
        extra: whether it may be left out where the terminal is too narrow; the last goes first.
        prose: whether its cells are sentences, which may go on in a second line.
    """

    title: str
    of: Callable[[Shown], str]
    number: bool = False
    extra: bool = False
    prose: bool = False


def print_list(
    output: Output,
    messages: Sequence[ShownMessage],
    columns: Sequence[Column[ShownMessage]],
    none: str = "there are none",
) -> None:
    """Print messages, a row each, or as a JSON array; `none` is said where there are none."""
    if output is Output.JSON:
        print_json([as_json(message) for message in messages])
        return
    print_table(columns, messages)
    if not messages:
        note(none)


def print_one(
    output: Output, message: ShownMessage, columns: Sequence[Column[ShownMessage]]
) -> None:
    """Print one message, a line a field, or as a JSON object."""
    if output is Output.JSON:
        print_json(as_json(message))
    else:
        print_fields([(column.title, column.of(message)) for column in columns])


def print_table(columns: Sequence[Column[Shown]], rows: Sequence[Shown], title: str = "") -> None:
    """Print a table.

    A pipe gets a line a row, however long. On a terminal a table that is too wide loses its extra
    columns, the last first, and says which; where that is not enough, each row is a block of lines.
    """
    filled = [_Filled(column, [_line(column.of(row)) for row in rows]) for column in columns]
    room = _room()
    if room is not None and rows:
        filled = [one for one in filled if any(one.cells) or not one.column.extra]
    kept = _that_fit(filled, room)
    if title:
        typer.echo(f"\n{title}")
    if kept is None:
        for row in rows:
            print_fields([(column.title, column.of(row)) for column in columns])
            typer.echo()
        return
    _print_rows(kept, room)
    left_out = [one.column.title for one in filled if one not in kept]
    if left_out:
        note(f"no room for {', '.join(left_out)}; a wider terminal or a pipe has them")


def print_fields(fields: Sequence[tuple[str, str]]) -> None:
    """Print names and values, a line each, without those that are empty.

    On a terminal a value that is too long goes on in a second line, never inside a word.
    """
    shown = [(name, value) for name, value in fields if value]
    indent = max((cell_len(name) for name, _ in shown), default=0) + _GAP
    room = _room()
    for name, value in shown:
        begin = f"{typer.style(name, bold=True)}{' ' * (indent - cell_len(name))}"
        for line in value.splitlines():
            for part in _folded(_line(line), room and room - indent):
                typer.echo(f"{begin}{part}".rstrip())
                begin = " " * indent


def print_json(value: object) -> None:
    """Print JSON."""
    sys.stdout.write(f"{json.dumps(value, indent=2, ensure_ascii=False)}\n")


def note(sentence: str) -> None:
    """Say something beside the result, on standard error."""
    typer.echo(sentence, err=True)


def as_json(message: Message) -> object:
    """Return a message as proto3's JSON: 64-bit integers are strings, so that no digit is lost."""
    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


@dataclass(frozen=True)
class _Filled:
    """A column with the cells of all rows."""

    column: Column[Any]
    cells: Sequence[str]

    @property
    def width(self) -> int:
        """How wide it is when nothing is folded."""
        return max(map(cell_len, [self.column.title, *self.cells]))

    @property
    def least(self) -> int:
        """How wide it must be."""
        return min(self.width, _PROSE_LEAST) if self.column.prose else self.width


def _that_fit(filled: Sequence[_Filled], room: int | None) -> Sequence[_Filled] | None:
    """Return the columns that have room side by side; None if those that are needed have not."""
    kept = list(filled)
    while room is not None and sum(one.least + _GAP for one in kept) - _GAP > room:
        extra = [one for one in kept if one.column.extra]
        if not extra:
            return None
        kept.remove(extra[-1])
    return kept


def _print_rows(filled: Sequence[_Filled], room: int | None) -> None:
    widths = _widths(filled, room)
    head = _joined([one.column.title for one in filled], filled, widths)
    if room is None:
        typer.echo(head)
    else:
        typer.echo(typer.style(head, bold=True))
        typer.echo("─" * (sum(widths) + _GAP * (len(widths) - 1)))
    for cells in zip(*(one.cells for one in filled), strict=True):
        folded = [_folded(cell, room and width) for cell, width in zip(cells, widths, strict=True)]
        for line in zip_longest(*folded, fillvalue=""):
            typer.echo(_joined(line, filled, widths))


def _widths(filled: Sequence[_Filled], room: int | None) -> Sequence[int]:
    """Return how wide each column is: sentences share what the others leave of the room."""
    if room is None:
        return [one.width for one in filled]
    spare = room - sum(one.least + _GAP for one in filled) + _GAP
    widths = []
    for one in filled:
        widths.append(min(one.width, one.least + spare))
        spare -= widths[-1] - one.least
    return widths


def _joined(cells: Sequence[str], filled: Sequence[_Filled], widths: Sequence[int]) -> str:
    padded = []
    for cell, one, width in zip(cells, filled, widths, strict=True):
        padding = " " * (width - cell_len(cell))
        padded.append(f"{padding}{cell}" if one.column.number else f"{cell}{padding}")
    return (" " * _GAP).join(padded).rstrip()


def _folded(text: str, room: int | None) -> Sequence[str]:
    """Return a text in lines that fit, broken at spaces only; in one line where all fits."""
    if room is None or cell_len(text) <= room:
        return [text]
    return textwrap.wrap(text, max(room, 1), break_long_words=False, break_on_hyphens=False)


def _line(text: str) -> str:
    """Return a cell as one line: what would move the cursor or change colours is a space."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _room() -> int | None:
    """Return how many characters a line of the terminal has; None where there is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def money(amount: Money) -> str:
    """Return an amount with its currency, or nothing if it is not set."""
    if not amount.currency_code:
        return ""
    return f"{format_amount(amount.minor_units, amount.currency_code)} {amount.currency_code}"


def moment(timestamp: Timestamp) -> str:
    """Return a time in UTC to the second, or nothing if it is not set."""
    if not timestamp.seconds:
        return ""
    return timestamp.ToDatetime().strftime("%Y-%m-%d %H:%M:%S")


class EnumType(Protocol):
    """A generated enum."""

    @property
    def DESCRIPTOR(self) -> EnumDescriptor: ...  # noqa: N802 - protobuf names it.


def word(enum: EnumType, value: int) -> str:
    """Return the name of an enum's value without its prefix; nothing if it is not set."""
    if not value:
        return ""
    found = enum.DESCRIPTOR.values_by_number.get(value)
    return found.name.removeprefix(_prefix(enum.DESCRIPTOR.name)) if found else str(value)


def value_of(enum: EnumType, text: str, option: str) -> Any:
    """Return the value of an enum that a user wrote without its prefix, in any case; "" is not set.

    Raises:
        Failure: there is none of that name.
    """
    if not text:
        return 0
    prefix = _prefix(enum.DESCRIPTOR.name)
    wanted = text.upper().replace("-", "_")
    found = enum.DESCRIPTOR.values_by_name.get(f"{prefix}{wanted}")
    if found is None or not found.number:
        names = [value.name.removeprefix(prefix) for value in enum.DESCRIPTOR.values[1:]]
        raise wrong_use(f"{text!r} is no value of {option}", f"there are: {', '.join(names)}")
    return found.number


def values_of(enum: EnumType, texts: Sequence[str] | None, option: str) -> list[Any]:
    """Return the values of an option that may be repeated; none if it was not given.

    Raises:
        Failure: there is none of one's name.
    """
    return [value_of(enum, text, option) for text in texts or ()]


@cache
def _prefix(name: str) -> str:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()
    return f"{snake}_"
