"""The files of all runs, in a folder, named by the SHA-256 of their bytes.

    objects/ab/abcdef…    one file each, read-only, whole if it is there
    work/…                what one step works with; it goes with the step

A step done twice puts the same bytes under the same name, so nothing is ever overwritten.
"""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from services.reconciliation.adapters.duckdb.files import file_sha256

_READ_ONLY = 0o444
_LEFTOVER_AGE_S = 86_400


class ObjectMissingError(Exception):
    """A file that a run needs is not in the store, or is not what its name says."""


class FolderStore:
    """Keeps files in the folder of a `file:///` URL."""

    def __init__(self, url: str) -> None:
        root = Path(unquote(urlsplit(url).path))
        self._objects = root / "objects"
        self._work = root / "work"
        for folder in (self._objects, self._work):
            folder.mkdir(parents=True, exist_ok=True)

    def put(self, path: Path) -> str:
        """Keep a file, which is not written to any more; return its SHA-256, in lower-case hex."""
        sha256 = file_sha256(path)
        place = self._place(sha256)
        if place.exists():
            return sha256
        place.parent.mkdir(exist_ok=True)
        handle, name = tempfile.mkstemp(dir=place.parent, prefix=".unfinished-")
        with os.fdopen(handle, "wb") as copy, path.open("rb") as original:
            shutil.copyfileobj(original, copy)
            copy.flush()
            # A run is published with this hash: its bytes must outlive a power cut.
            os.fsync(copy.fileno())
        Path(name).chmod(_READ_ONLY)
        Path(name).replace(place)
        _sync_folder(place.parent)
        return sha256

    def put_bytes(self, content: bytes) -> str:
        """Keep some bytes; return their SHA-256, in lower-case hex."""
        with self.workspace() as folder:
            path = folder / "content"
            path.write_bytes(content)
            return self.put(path)

    def read(self, sha256: str) -> bytes:
        """Return the bytes of a file.

        Raises:
            ObjectMissingError: it is not there, or not whole.
        """
        try:
            content = self._place(sha256).read_bytes()
        except FileNotFoundError as error:
            raise ObjectMissingError(f"There is no file {sha256}") from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ObjectMissingError(f"The file {sha256} is damaged")
        return content

    def bring(self, sha256: str, path: Path) -> None:
        """Bring a file to `path`, without a copy where the file system can.

        Raises:
            ObjectMissingError: it is not there.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        place = self._place(sha256)
        try:
            os.link(place, path)
        except FileNotFoundError as error:
            raise ObjectMissingError(f"There is no file {sha256}") from error
        except OSError:
            shutil.copyfile(place, path)

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """Offer an empty folder, and remove it with all that is in it."""
        with tempfile.TemporaryDirectory(dir=self._work, prefix="step-") as name:
            yield Path(name)

    def remove_leftovers(self) -> None:
        """Remove the work of steps that were ended by force more than a day ago."""
        for folder in self._work.iterdir():
            if time.time() - folder.stat().st_mtime > _LEFTOVER_AGE_S:
                shutil.rmtree(folder, ignore_errors=True)

    def _place(self, sha256: str) -> Path:
        return self._objects / sha256[:2] / sha256


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
