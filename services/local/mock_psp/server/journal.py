"""The journal of the mock PSP: what it was asked, in order, so that a new start can do it again.

The books are deterministic, so the calls and their times are all that needs to be kept. A line an
entry, with a checksum before it; the first line says with what the books begin. A call is written
before it is done: whatever was answered is in the file, and of a line that was torn by the end of
the process nothing was done. No token is in it: those are of the settings.
"""

import fcntl
import json
import os
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.kernel.errors import Category, DomainError
from services.platform.failures import CannotRunError

VERSION = 1
"""Of the format, and of what the books make of it: raise it with either."""

_HEAD_LENGTH = 9


class JournalError(CannotRunError):
    """The journal cannot be gone on with; the message is a sentence that says why."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"the journal {path} {what}; to begin with new books, remove it (vezne up --fresh)"
        )


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    at: AwareDatetime
    """The provider's time."""


class Begun(_Entry):
    """The first line: what the books follow from. `at` is where the clock began."""

    kind: Literal["begun"] = "begun"
    version: int = VERSION
    seed: int
    accounts: Mapping[str, Mapping[str, Any]]
    """The settings of each account but its secrets and its URL."""


class Moved(_Entry):
    """The clock shows `at` from now on; it is written at each start too."""

    kind: Literal["moved"] = "moved"
    real: AwareDatetime | None
    """This machine's time then; None if the clock stands."""


class Asked(_Entry):
    """A call that may change something, about to be done."""

    kind: Literal["asked"] = "asked"
    account: str
    path: str
    host: str
    key: str
    body: str
    digest: str
    """Of the account's books before it: a replay must come to the same."""


class Ended(_Entry):
    """A webhook was delivered or given up."""

    kind: Literal["ended"] = "ended"
    account: str
    webhook_id: str
    state: str
    attempts: tuple[tuple[AwareDatetime, str], ...]


Entry = Moved | Asked | Ended

_ENTRY: TypeAdapter[Entry] = TypeAdapter(Annotated[Entry, Field(discriminator="kind")])


class Journal:
    """An open journal. Use `opened`.

    Args:
        path: the file, for sentences.
        file: its descriptor.
    """

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self._file = file
        lines, self._size = _whole_lines(path)
        self.begun = self._beginning(lines[:1])
        self._texts = [self._text(number, line) for number, line in enumerate(lines[1:], 2)]
        # A torn line was never acted on, and the next one must not go on with it.
        os.ftruncate(file, self._size)

    def entries(self) -> Iterator[tuple[int, Entry]]:
        """Give what was written before, with the number of its line, and forget it."""
        texts, self._texts = self._texts, []
        for number, text in enumerate(texts, 2):
            try:
                yield number, _ENTRY.validate_json(text)
            except ValidationError as error:
                raise self.damaged(number) from error

    def damaged(self, number: int) -> JournalError:
        """Return the error for a line that leads nowhere."""
        return JournalError(self.path, f"is damaged or of another release, at line {number}")

    def write(self, entry: Entry, *, durably: bool = True) -> None:
        """Add an entry; `durably`, it survives the machine's end too, not only the process's.

        Raises:
            DomainError: UNAVAILABLE, it could not be written, and nothing of it stays.
        """
        line = _line(entry)
        try:
            left = line
            while left:
                left = left[os.write(self._file, left) :]
            if durably:
                os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, self._size)
            raise DomainError(
                "UNAVAILABLE", Category.UNAVAILABLE, f"The journal cannot be written: {error}"
            ) from error
        self._size += len(line)

    def _text(self, number: int, line: bytes) -> bytes:
        text = line[_HEAD_LENGTH:]
        if line[:_HEAD_LENGTH] != _head(text):
            raise self.damaged(number)
        return text

    def _beginning(self, lines: list[bytes]) -> Begun:
        try:
            text = self._text(1, lines[0])
            version = json.loads(text)["version"]
            if version != VERSION:
                what = f"has version {version}, and this release reads version {VERSION}"
                raise JournalError(self.path, what)
            return Begun.model_validate_json(text)
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise self.damaged(1) from error


@contextmanager
def opened(path: Path, begun: Begun) -> Iterator[Journal]:
    """Hold a journal; a new one begins as given, one that is there must have the same accounts.

    Raises:
        JournalError: it is damaged, of another version or of other accounts, cannot be read, or
            another process holds it.
    """
    try:
        if not path.exists():
            _create(path, begun)
        file = os.open(path, os.O_RDWR | os.O_APPEND)
    except OSError as error:
        raise JournalError(path, f"cannot be opened: {error.strerror}") from error
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise JournalError(path, "is held by another mock PSP") from error
        journal = Journal(path, file)
        if journal.begun.accounts != begun.accounts:
            raise JournalError(path, "was written with other accounts or other terms")
        yield journal
    finally:
        os.close(file)


def _create(path: Path, begun: Begun) -> None:
    """Write the first line, whole or not at all."""
    number, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(number, "wb") as file:
        file.write(_line(begun))
        file.flush()
        os.fsync(file.fileno())
    Path(made).replace(path)


def _whole_lines(path: Path) -> tuple[list[bytes], int]:
    """Return the lines that have an end, and how many bytes they are."""
    content = path.read_bytes()
    *whole, torn = content.split(b"\n")
    return whole, len(content) - len(torn)


def _line(entry: BaseModel) -> bytes:
    text = entry.model_dump_json().encode()
    return _head(text) + text + b"\n"


def _head(text: bytes) -> bytes:
    """Return the checksum of a line's text, as it stands before it."""
    return b"%08x " % zlib.crc32(text)
