"""The data folder of a stack."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from services.local.errors import StackError
from services.local.folder import DataFolder, Manifest, read_manifest
from services.local.ports import Ports
from services.local.processes import Mark

MANIFEST = Manifest(Mark(7, 1.5), Ports(), "acme", {"ledger": Mark(8, 2.5)}, ready=True)


def test_the_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    """stack.json says what was written, to its owner only; without it there is nothing."""
    folder = DataFolder(tmp_path / "data")
    assert read_manifest(folder.path) is None

    folder.write_manifest(MANIFEST)

    assert read_manifest(folder.path) == MANIFEST
    assert (folder.path / "stack.json").stat().st_mode & 0o777 == 0o600
    folder.remove_manifest()
    assert read_manifest(folder.path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"supervisor": {"pid": "x"}}', '"x"'])
def test_a_damaged_manifest_is_none(tmp_path: Path, text: str) -> None:
    """A stack.json that cannot be read is as if there were none."""
    (tmp_path / "stack.json").write_text(text)

    assert read_manifest(tmp_path) is None


def test_secrets_are_made_once_and_are_the_owners(tmp_path: Path) -> None:
    """A secret is random, is kept from start to start, and only its owner can read it."""
    first = DataFolder(tmp_path / "a").secret("token")
    again = DataFolder(tmp_path / "a").secret("token")
    other = DataFolder(tmp_path / "b").secret("token")

    assert first.read_text() == again.read_text()
    assert first.read_text() != other.read_text()
    assert len(first.read_text()) >= 32
    assert first.stat().st_mode & 0o777 == 0o600
    assert first.parent.stat().st_mode & 0o777 == 0o700


def test_a_folder_has_one_stack(tmp_path: Path) -> None:
    """While one holds the folder another is refused, with who holds it; then it is free again."""
    folder = DataFolder(tmp_path / "data")
    with folder.locked():
        folder.write_manifest(MANIFEST)
        with (
            pytest.raises(StackError, match=r"already \(process 7\)"),
            DataFolder(tmp_path / "data").locked(),
        ):
            pass
    with folder.locked():
        pass


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk has too little room, the sentence says how much there is and is needed."""
    usage = namedtuple("usage", "total used free")  # noqa: PYI024 - As the standard library's.
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(0, 0, 12 * 2**20))

    with pytest.raises(StackError, match=r"there are 12 MiB free for .* needs 500"):
        DataFolder(tmp_path / "data")


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """Where a file stands in the way, the sentence says so."""
    (tmp_path / "data").write_text("")

    with pytest.raises(StackError, match="cannot be made"):
        DataFolder(tmp_path / "data")
