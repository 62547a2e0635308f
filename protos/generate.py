"""Generate `gen/`, the distribution `vezne-stubs`, from `protos/`. Run by `make protos`.

All of `gen/` is written here, so that `git diff gen/` after a run shows any drift.
"""

import shutil
import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
THIRD_PARTY = ROOT / "third_party"
GEN = ROOT / "gen"
PROGRAMS = Path(sys.executable).parent

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


def main() -> int:
    """Write `gen/` afresh; answers protoc's exit code."""
    if GEN.exists():
        shutil.rmtree(GEN)
    GEN.mkdir()
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
            f"--python_out={GEN}",
            f"--grpc_python_out={GEN}",
            f"--mypy_out=quiet:{GEN}",
            f"--mypy_grpc_out=quiet,only_async:{GEN}",
            *names,
            "buf/validate/validate.proto",
        ]
    )
    if code:
        return code
    # A service-less file gets an empty _grpc module; it says nothing, so it goes.
    for module in GEN.rglob("*_pb2_grpc.py"):
        proto = PROTOS / module.relative_to(GEN).with_name(
            module.name.replace("_pb2_grpc.py", ".proto")
        )
        if not proto.exists() or "\nservice " not in proto.read_text():
            module.unlink()
            module.with_suffix(".pyi").unlink(missing_ok=True)
    for package in (GEN / "vezne", GEN / "buf"):
        for folder in (package, *(path for path in package.rglob("*") if path.is_dir())):
            (folder / "__init__.py").write_text("")
        (package / "py.typed").write_text("")
    shutil.copy(PROTOS / "vezne/type/currencies.json", GEN / "vezne/type/currencies.json")
    (GEN / "pyproject.toml").write_text(PYPROJECT)
    (GEN / "README.md").write_text(README)
    return 0


if __name__ == "__main__":
    sys.exit(main())
