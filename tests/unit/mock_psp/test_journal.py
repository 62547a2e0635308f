"""The journal's file: what is written is read, and what is damaged is said."""

import resource
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.kernel.errors import DomainError
from services.local.mock_psp.server.journal import (
    VERSION,
    Asked,
    Begun,
    Ended,
    Entry,
    JournalError,
    Moved,
    opened,
)

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
BEGUN = Begun(at=NOW, seed=7, accounts={"main": {"step_s": 1.0}})
ENTRIES: list[Entry] = [
    Moved(at=NOW, real=NOW + timedelta(days=1)),
    Asked(
        at=NOW + timedelta(microseconds=1),
        account="main",
        path="/v1/refunds",
        host="127.0.0.1:8090",
        key="k-1\xe9",
        body='{"reference":"r-1 \u20ac\n"}',
        digest="00",
    ),
    Ended(
        at=NOW + timedelta(seconds=2),
        account="main",
        webhook_id="evt_1",
        state="delivered",
        attempts=((NOW, "ConnectError"), (NOW, "200")),
    ),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal with three entries."""
    path = tmp_path / "journal"
    with opened(path, BEGUN) as journal:
        for entry in ENTRIES:
            journal.write(entry)
    return path


def entries(path: Path) -> list[Entry]:
    """Return what a journal holds after its first line."""
    with opened(path, BEGUN) as journal:
        return [entry for _, entry in journal.entries()]


def test_what_was_written_is_read(path: Path) -> None:
    """Every entry comes back equal, in order, and the first line says what was begun with."""
    later = Begun(at=NOW + timedelta(days=9), seed=8, accounts=BEGUN.accounts)

    with opened(path, later) as journal:
        assert journal.begun == BEGUN
        assert list(journal.entries()) == list(enumerate(ENTRIES, 2))
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_torn_line_is_left_out_wherever_it_is_torn(path: Path) -> None:
    """Cut at any byte of the last line, the entries before it are read, and writing goes on."""
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1

    for end in range(last, len(whole)):
        path.write_bytes(whole[:end])
        with opened(path, BEGUN) as journal:
            journal.write(ENTRIES[2])
        assert entries(path) == ENTRIES


def test_each_damage_is_said(path: Path) -> None:
    """A byte that changed, in any line, is one sentence with the file, the line and what to do."""
    whole = path.read_bytes()
    starts = [0, *(at + 1 for at, byte in enumerate(whole[:-1]) if byte == ord("\n"))]
    assert len(starts) == 1 + len(ENTRIES)

    for number, start in enumerate(starts, 1):
        for offset in (0, 8, 9, 30):
            at = start + offset
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            with pytest.raises(JournalError) as caught:
                entries(path)
            assert f"line {number};" in str(caught.value), offset
            assert str(path) in str(caught.value)
            assert "--fresh" in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"root:x:0:0\n", b"no line", b'00000000 {"version": 1}\n']
)
def test_another_file_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    """What is no journal is refused, and nothing of it is changed."""
    path = tmp_path / "other"
    path.write_bytes(content)

    with pytest.raises(JournalError, match="at line 1"), opened(path, BEGUN):
        pass

    assert path.read_bytes() == content


def test_another_version_is_said(tmp_path: Path) -> None:
    """A journal of another version is refused with both versions, whatever else is in it."""
    path = tmp_path / "journal"
    text = f'{{"version":{VERSION + 1},"new":true}}'.encode()
    path.write_bytes(b"%08x %s\n" % (zlib.crc32(text), text))

    with (
        pytest.raises(JournalError, match=f"version {VERSION + 1}.*reads version {VERSION}"),
        opened(path, BEGUN),
    ):
        pass


def test_other_terms_are_said(path: Path) -> None:
    """Books of other terms would not be the books that were told of: it is refused."""
    other = Begun(at=NOW, seed=7, accounts={"main": {"step_s": 2.0}})

    with pytest.raises(JournalError, match="other accounts or other terms"), opened(path, other):
        pass


def test_one_process_writes_at_a_time(path: Path) -> None:
    """While one holds it, another is refused; then it is free again."""
    with opened(path, BEGUN), pytest.raises(JournalError, match="is held by"), opened(path, BEGUN):
        pass
    assert entries(path) == ENTRIES


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    """Where it cannot be made, the sentence says why."""
    with (
        pytest.raises(JournalError, match="cannot be opened: No such file"),
        opened(tmp_path / "none" / "journal", BEGUN),
    ):
        pass


def test_what_cannot_be_written_leaves_nothing(path: Path) -> None:
    """On a disk that fills up in the middle of a line, the call is refused and may be repeated."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with opened(path, BEGUN) as journal:
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, limits[1]))
        try:
            with pytest.raises(DomainError, match="cannot be written") as caught:
                journal.write(ENTRIES[0])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert caught.value.reason == "UNAVAILABLE"
        journal.write(ENTRIES[2])

    assert entries(path) == [*ENTRIES, ENTRIES[2]]
