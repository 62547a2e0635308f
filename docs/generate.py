"""Write the pages that the code knows best: the errors, and the configuration.

Run by `make docs`; a tidy test fails when a page is not what this writes.
"""

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from google.protobuf.descriptor_pb2 import EnumDescriptorProto, FileDescriptorSet
from grpc_tools import protoc
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from services.kernel.errors import Category
from services.ledger.domain.reasons import RULES
from services.ledger.settings import LedgerSettings
from services.local.mock_psp.settings import MockPspSettings
from services.platform.errors import CODES
from services.platform.settings import Block
from services.psp_gateway.domain.reasons import CATEGORIES as GATEWAY_CATEGORIES
from services.psp_gateway.settings import PspGatewaySettings
from services.reconciliation.domain.reasons import CATEGORIES as RECONCILIATION_CATEGORIES
from services.reconciliation.settings import ReconciliationSettings

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Described:
    """A service as the pages describe it."""

    name: str
    categories: Mapping[str, Category]
    remembered: Sequence[str]
    settings: type[BaseModel]


SERVICES = (
    Described(
        "ledger",
        {str(reason): rule.category for reason, rule in RULES.items()},
        [str(reason) for reason, rule in RULES.items() if rule.remembered],
        LedgerSettings,
    ),
    Described(
        "psp_gateway",
        {str(reason): category for reason, category in GATEWAY_CATEGORIES.items()},
        [],
        PspGatewaySettings,
    ),
    Described(
        "reconciliation",
        {str(reason): category for reason, category in RECONCILIATION_CATEGORIES.items()},
        [],
        ReconciliationSettings,
    ),
)

ADVICE = {
    Category.SHAPE: "Fix the request; it can never succeed as it is.",
    Category.NOT_FOUND: "Create what is named, or name something else.",
    Category.CONFLICT: "Use another id.",
    Category.STATE: "Do not retry as it is: the state of things forbids it.",
    Category.RANGE: "Do not retry as it is.",
    Category.LIMIT: "Retry later, with the same request id.",
    Category.RETRY_WHOLE: "Read again and retry the whole operation.",
    Category.UNAVAILABLE: "Retry as it is, with the same request id.",
    Category.DEADLINE: "The outcome is unknown: retry with the same request id.",
    Category.NOT_IMPLEMENTED: "This release cannot do it.",
    Category.INTERNAL: "A bug of ours: report the incident id. Retrying is safe.",
}

ERRORS_HEAD = """\
# Errors

*Written by `make docs` from the contracts and the domain.*

Every error is a gRPC status whose details hold a `google.rpc.ErrorInfo`: `reason` and `domain` are
the API, `metadata` says what the message speaks of, and the message itself may change.
A wrong shape also carries a `google.rpc.BadRequest` with the field.
Reasons are listed in order of precedence: of several that apply, the first is answered.
A request that is larger than the server's limit is refused by gRPC itself, with
`RESOURCE_EXHAUSTED` and no details.
"""

CONFIGURATION_HEAD = """\
# Configuration

*Written by `make docs` from the settings models.*

Settings are environment variables.
A missing, wrong or unknown variable under a service's prefix stops its start with the full list.
Temporal is configured by its own variables: `TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`,
`TEMPORAL_API_KEY`, `TEMPORAL_TLS_CLIENT_CERT_PATH`, `TEMPORAL_TLS_CLIENT_KEY_PATH`.
"""


def comments() -> Mapping[str, EnumDescriptorProto]:
    """Return, by service, the enum of its reasons with the comments of its values as options."""
    with tempfile.NamedTemporaryFile(suffix=".binpb") as image:
        code = protoc.main(
            [
                "protoc",
                f"-I{ROOT / 'protos'}",
                f"-I{files('grpc_tools') / '_proto'}",
                "--include_source_info",
                f"--descriptor_set_out={image.name}",
                *(f"vezne/{service.name}/v1/reason.proto" for service in SERVICES),
            ]
        )
        if code:
            sys.exit(code)
        found = FileDescriptorSet.FromString(Path(image.name).read_bytes())
    meanings = {}
    for file in found.file:
        enum = file.enum_type[0]
        for location in file.source_code_info.location:
            # Path: enum_type (5), the first (0), value (2), which.
            if len(location.path) == 4 and list(location.path[:3]) == [5, 0, 2]:  # noqa: PLR2004 - see above.
                value = enum.value[location.path[3]]
                value.options.uninterpreted_option.add(
                    string_value=location.leading_comments.encode()
                )
        meanings[file.package.split(".")[1]] = enum
    return meanings


def errors_page() -> str:
    """Return docs/integrate/errors.md."""
    lines = [ERRORS_HEAD]
    enums = comments()
    for service in SERVICES:
        lines.append(f"## {service.name}\n")
        lines.append(f"ErrorInfo domain: `{service.name}.vezne`\n")
        for value in enums[service.name].value[1:]:
            reason = value.name.split("_REASON_", 1)[1]
            text = value.options.uninterpreted_option[0].string_value.decode()
            category = service.categories[reason]
            lines.append(f"### {reason}\n")
            lines.append(" ".join(text.split()))
            lines.append(f"\n`{CODES[category].name}`. {ADVICE[category]}")
            if reason in service.remembered:
                lines.append("Remembered: the same request id is refused for ever.")
            lines.append("")
    return "\n".join(lines)


def reasons_file() -> str:
    """Return what `vezne errors` knows: each reason by service, with its meaning and code."""
    reasons: dict[str, dict[str, dict[str, str]]] = {}
    enums = comments()
    for service in SERVICES:
        found = reasons.setdefault(service.name, {})
        for value in enums[service.name].value[1:]:
            reason = value.name.split("_REASON_", 1)[1]
            text = value.options.uninterpreted_option[0].string_value.decode()
            category = service.categories[reason]
            found[reason] = {
                "meaning": " ".join(text.split()),
                "code": CODES[category].name,
                "advice": ADVICE[category],
            }
    return f"{json.dumps(reasons, indent=1, sort_keys=True)}\n"


def configuration_page() -> str:
    """Return docs/operate/configuration.md."""
    lines = [CONFIGURATION_HEAD]
    models = {service.name: service.settings for service in SERVICES}
    for name, settings in {**models, "mock PSP": MockPspSettings}.items():
        prefix = str(settings.model_config["env_prefix"])
        lines.append(f"## {name}\n")
        lines.append("| variable | default | what it is |")
        lines.append("| --- | --- | --- |")
        lines += _rows(settings, prefix)
        lines.append("")
    return "\n".join(lines)


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name}".upper()
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Block):
            yield from _rows(annotation, f"{variable}__")
        else:
            yield f"| `{variable}` | {_default(field)} | {field.description} |"


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "*required*"
    if field.default is None:
        return "unset"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


PAGES = {
    ROOT / "docs/integrate/errors.md": errors_page,
    ROOT / "docs/operate/configuration.md": configuration_page,
    ROOT / "services/cli/reasons.json": reasons_file,
}


def main() -> None:
    """Write the pages."""
    for path, page in PAGES.items():
        path.write_text(page())


if __name__ == "__main__":
    main()
