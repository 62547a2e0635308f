"""`make setup` as a shell runs it: it works, or says in a sentence why not. Nothing is fetched."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "deploy" / "setup.sh"
TOOLS = ("awk", "date", "mktemp", "rm", "tail")
ENOUGH_MIB = 1500

# Python with another version, or without a module; it makes an environment of a copy of itself,
# and its pip writes down what it is asked.
_PYTHON = """#!/bin/sh
case "$1 $2" in
  --version*) echo "Python {version}" ;;
  -c*) exec {real} -c "import sys; sys.version_info = ({tuple}); {missing}
$2" ;;
  "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && touch "$3/bin/pip" ;;
  "-m pip") echo "$*" >> {asked}; {pip} ;;
esac
"""
_DF = """#!/bin/sh
echo "Filesystem 1048576-blocks Used Available Capacity Mounted on"
echo "/dev/disk 90000 1 {free_mib} 1% /"
"""


@dataclass(frozen=True)
class Ended:
    """How it ended, and what it said."""

    code: int
    told: Sequence[str]
    complained: Sequence[str]


class Machine:
    """A machine with the tools that the script uses, a disk, and the Pythons that a test gives."""

    def __init__(self, folder: Path) -> None:
        self._bin, self.home, self.scratch = folder / "bin", folder / "home", folder / "scratch"
        for made in (self._bin, self.home, self.scratch):
            made.mkdir()
        for tool in ("cp", "mkdir", "touch", *TOOLS):
            found = shutil.which(tool)
            assert found is not None
            (self._bin / tool).symlink_to(found)
        self._asked = folder / "asked"
        self.disk(ENOUGH_MIB)

    def program(self, name: str, text: str) -> Path:
        """Put a program on the path."""
        path = self._bin / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def disk(self, free_mib: int) -> None:
        """Let so much be free."""
        self.program("df", _DF.format(free_mib=free_mib))

    def python(
        self, version: str, name: str = "python3", *, missing: str = "", pip: str = "true"
    ) -> Path:
        """Put a Python on the path, which may lack a module; `pip` is what its pip runs."""
        return self.program(
            name,
            _PYTHON.format(
                version=version,
                tuple=", ".join(version.split(".")),
                missing=f"sys.modules['{missing}'] = None" if missing else "",
                pip=pip,
                real=sys.executable,
                asked=self._asked,
            ),
        )

    def asked(self) -> Sequence[str]:
        """Return what pip was asked, a line a call."""
        return self._asked.read_text().splitlines() if self._asked.exists() else ()

    def setup(self, **variables: str) -> Ended:
        """Run the script."""
        done = subprocess.run(
            ["/bin/sh", str(SCRIPT), ".venv"],
            cwd=self.home,
            env={"PATH": str(self._bin), "TMPDIR": str(self.scratch), **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Ended(done.returncode, done.stdout.splitlines(), done.stderr.splitlines())

    def refused(self, **variables: str) -> str:
        """Run the script, which must say one sentence and have done nothing; return it."""
        ended = self.setup(**variables)
        assert ended.code == 1
        assert not ended.told
        assert not list(self.home.iterdir())
        [sentence] = ended.complained
        return sentence


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with enough disk, and no Python."""
    return Machine(tmp_path)


def test_the_environment_is_made_and_filled(machine: Machine) -> None:
    """The locked packages with their hashes, then ours without a look at what they need."""
    machine.python("3.11.0")

    ended = machine.setup()

    assert ended.code == 0, ended.complained
    assert [line.split(" ...")[0] for line in ended.told] == [
        "setup: making .venv with Python 3.11.0",
        "setup: installing the locked packages (about 400 MB)",
        "setup: installing vezne",
    ]
    assert machine.asked() == [
        "-m pip install --require-hashes -r requirements.lock",
        "-m pip install --no-build-isolation --no-deps -e ./gen -e .",
    ]
    assert not list(machine.scratch.iterdir())


def test_an_environment_that_is_there_is_kept(machine: Machine) -> None:
    """It is filled anew, not made anew; one whose making was cut off is made to its end."""
    machine.python("3.12.1")
    machine.setup()

    kept = machine.setup()
    (machine.home / ".venv" / "bin" / "pip").unlink()
    mended = machine.setup()

    assert [line.split()[1] for line in kept.told] == ["installing", "installing"]
    assert [line.split()[1] for line in mended.told] == ["making", "installing", "installing"]


def test_a_newer_python_is_found_beside_an_older(machine: Machine) -> None:
    """Where python3 is too old, the usual names of newer ones are tried."""
    machine.python("3.9.2")
    machine.python("3.12.1", "python3.12")

    assert machine.setup().told[0].startswith("setup: making .venv with Python 3.12.1")


@pytest.mark.parametrize("version", ["3.10.14", "2.7.18"])
def test_a_python_that_is_too_old_is_named(machine: Machine, version: str) -> None:
    """The one that PYTHON names is the only one that is tried, and its version is told."""
    machine.python("3.12.1")
    older = machine.python(version, "older")

    sentence = machine.refused(PYTHON=str(older))

    assert f"needs Python 3.11 or newer and found Python {version};" in sentence
    assert "make setup PYTHON=" in sentence


def test_a_version_that_is_told_as_an_error_is_read(machine: Machine) -> None:
    """Python 2 writes its version where errors go."""
    machine.program("python3", "#!/bin/sh\necho Python 2.7.18 >&2\ntest $1 = --version\n")

    assert "found Python 2.7.18;" in machine.refused()


def test_a_python_that_is_not_there_is_named(machine: Machine) -> None:
    """What was looked for is told, whether PYTHON names it or nobody does."""
    assert "found no python3;" in machine.refused()
    machine.python("3.12.1")
    assert "found no /opt/python;" in machine.refused(PYTHON="/opt/python")


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_python_without_the_venv_module_is_refused(machine: Machine, module: str) -> None:
    """Debian splits either off; the sentence says what to install."""
    machine.python("3.11.2", missing=module)

    sentence = machine.refused()

    assert sentence.startswith("setup: Python 3.11.2 lacks the venv module;")
    assert "python3-venv" in sentence


def test_a_disk_that_is_too_full_is_refused(machine: Machine) -> None:
    """What is free and what is needed are told, before anything is written."""
    machine.python("3.11.0")
    machine.disk(ENOUGH_MIB - 1)

    sentence = machine.refused()

    assert f"there are {ENOUGH_MIB - 1} MiB free" in sentence
    assert f"need {ENOUGH_MIB} MiB" in sentence


def test_a_pip_that_fails_is_quoted(machine: Machine) -> None:
    """Its last twenty lines, then a sentence; what comes after is not tried, no log is left."""
    numbers = " ".join(map(str, range(1, 31)))
    says = f"for n in {numbers}; do echo pip says $n; done; echo no space >&2; exit 1"
    machine.python("3.11.0", pip=says)

    ended = machine.setup()

    assert ended.code == 1
    assert ended.told[-1] == "setup: installing the locked packages (about 400 MB) ... failed"
    assert ended.complained == [
        *(f"pip says {number}" for number in range(12, 31)),
        "no space",
        "setup: installing the locked packages (about 400 MB) failed; the lines above say why",
    ]
    assert len(machine.asked()) == 1
    assert not list(machine.scratch.iterdir())
