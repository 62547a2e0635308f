"""Generate `gen/`, the distribution `vezne-stubs`, from `protos/`. Run by `make protos`.

All of `gen/` is written here, so that `git diff gen/` after a run shows any drift.
"""

import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
THIRD_PARTY = ROOT / "third_party"
GEN = ROOT / "gen"
PROGRAMS = Path(sys.executable).parent
SUFFIXES = {".py", ".pyi", ".typed", ".json", ".toml", ".md"}

PYPROJECT = """\
# Written by `make protos`.
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "vezne-stubs"
version = "0.1.0"
description = "gRPC stubs of the Vezne suite: enough to call it and to read a refusal's reason."
readme = "README.md"
license = "Apache-2.0"
requires-python = ">=3.11"
# Generated code refuses to run with an older grpcio or protobuf than it was generated for.
dependencies = [
    "googleapis-common-protos>=1.76",
    "grpcio>=1.85.1",
    "grpcio-status>=1.85.1",
    "protobuf>=7.35.1,<8",
]

[tool.hatch.build.targets.wheel]
packages = ["vezne", "buf"]
"""

README = """\
# vezne-stubs

The gRPC stubs of the Vezne suite, generated from `protos/`, and the currency registry
(`vezne/type/currencies.json`). Installing it brings nothing of the services.
"""


def generate(target: Path) -> int:
    """Write the distribution into the empty folder `target`; return protoc's exit code."""
    sources = sorted(PROTOS.rglob("*.proto"))
    names = [str(source.relative_to(PROTOS)) for source in sources]
    code: int = protoc.main(
        [
            "protoc",
            f"-I{PROTOS}",
            f"-I{THIRD_PARTY}",
            f"-I{files('grpc_tools') / '_proto'}",
            # Beside this Python, whether or not its folder is on the PATH.
            f"--plugin=protoc-gen-mypy={PROGRAMS / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={PROGRAMS / 'protoc-gen-mypy_grpc'}",
            f"--python_out={target}",
            f"--grpc_python_out={target}",
            f"--mypy_out=quiet:{target}",
            f"--mypy_grpc_out=quiet,only_async:{target}",
            *names,
            "buf/validate/validate.proto",
        ]
    )
    if code:
        return code
    # A service-less file gets an empty _grpc module; it says nothing, so it goes.
    for module in target.rglob("*_pb2_grpc.py"):
        proto = PROTOS / module.relative_to(target).with_name(
            module.name.replace("_pb2_grpc.py", ".proto")
        )
        if not proto.exists() or "\nservice " not in proto.read_text():
            module.unlink()
            module.with_suffix(".pyi").unlink(missing_ok=True)
    for package in (target / "vezne", target / "buf"):
        for folder in (package, *(path for path in package.rglob("*") if path.is_dir())):
            (folder / "__init__.py").write_text("")
        (package / "py.typed").write_text("")
    shutil.copy(PROTOS / "vezne/type/currencies.json", target / "vezne/type/currencies.json")
    (target / "pyproject.toml").write_text(PYPROJECT)
    (target / "README.md").write_text(README)
    return 0


def main() -> int:
    """Write `gen/` afresh, whole or not at all; or, with `--check`, say whether it is current."""
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".gen-") as name:
        made = Path(name) / "gen"
        made.mkdir()
        code = generate(made)
        if code:
            return code
        if "--check" in sys.argv[1:]:
            return _differences(made)
        shutil.rmtree(GEN, ignore_errors=True)
        made.rename(GEN)
    return 0


def _differences(made: Path) -> int:
    """Print which files of gen/ are not as they would be generated; return 1 if there are any."""
    kept = {path.relative_to(GEN) for path in GEN.rglob("*") if path.suffix in SUFFIXES}
    wanted = {path.relative_to(made) for path in made.rglob("*") if path.suffix in SUFFIXES}
    stale = sorted(
        path
        for path in kept | wanted
        if path not in kept
        or path not in wanted
        or (GEN / path).read_bytes() != (made / path).read_bytes()
    )
    for path in stale:
        sys.stderr.write(f"gen/{path} is not what protos/ generates; run: make protos\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
