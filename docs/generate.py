"""Write the pages that the code knows best: errors, configuration, states, exceptions.

Run by `make docs`; a tidy test fails when a page is not what this writes.
"""

import dataclasses
import json
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
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
from services.psp_gateway.domain import deposit, dispute, refund, withdrawal
from services.psp_gateway.domain.exceptions import DECISION_OF, ExceptionKind
from services.psp_gateway.domain.facts import Fact
from services.psp_gateway.domain.machine import Cell, Go
from services.psp_gateway.domain.objects import DepositState
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


NOTHING = "nothing"
"""Where an object begins whose first fact makes its row."""


@dataclass(frozen=True)
class Machine:
    """An object's states as the page describes them."""

    proto: str
    enum: str
    table: Mapping[tuple[Any, type[Fact]], Cell]
    groups: Mapping[str, AbstractSet[str]] = dataclasses.field(default_factory=dict)
    """States that are drawn as one, where they leave alike."""
    by_refusal: Sequence[tuple[str, str]] = ()
    """Where a final refusal of the ledger leads to: no fact, so not in the table."""


MACHINES = {
    "deposit": Machine(
        "deposit",
        "DepositState",
        deposit.TABLE,
        groups={
            "open": frozenset(
                {
                    DepositState.CREATED,
                    DepositState.SUBMITTING,
                    DepositState.SUBMIT_UNKNOWN,
                    DepositState.REQUIRES_ACTION,
                    DepositState.PROCESSING,
                    DepositState.AUTHORISED,
                }
            ),
            "ended": frozenset(
                {
                    DepositState.DECLINED,
                    DepositState.NOT_SENT,
                    DepositState.VOIDED,
                    DepositState.EXPIRED,
                    DepositState.CANCELLED,
                }
            ),
        },
    ),
    "settlement": Machine("deposit", "SettlementState", deposit.SETTLEMENT_TABLE),
    "withdrawal": Machine(
        "withdrawal", "WithdrawalState", withdrawal.TABLE, by_refusal=(("REQUESTED", "REJECTED"),)
    ),
    "refund": Machine(
        "refund", "RefundState", refund.TABLE, by_refusal=(("REQUESTED", "REJECTED"),)
    ),
    "dispute": Machine("dispute", "DisputeState", dispute.TABLE),
}
PEOPLE = tomllib.loads(Path(ROOT / "docs/people.toml").read_text("utf-8"))
"""What people do, by state and by kind of exception."""

STATES_HEAD = """\
# States

*Written by `make docs` from the contracts, the machines of the gateway and `docs/people.toml`.*

What each state of a deposit, withdrawal, refund or dispute means, who acts next, and what leads on.
A fact that is in no row of a state changes nothing there: it is stale, waits for another fact, or
is an [exception](../operate/runbook_exceptions.md) for people. The machines themselves are
`services/psp_gateway/domain/{deposit,withdrawal,refund,dispute}.py`.
"""

EXCEPTIONS_HEAD = """\
# Runbook: exceptions

*Written by `make docs` from the contracts, the domain and `docs/people.toml`.*

An exception is what only a person can decide. `vezne exceptions`, or `ListExceptions`, lists those
that are OPEN, the oldest first; `VEZNE_PSP_GATEWAY_EXCEPTIONS_OWNER` names the team that owns them.
The object is a deposit, withdrawal, refund or dispute: `vezne deposits show OBJECT`, and so on.
Accounts such as L4 are those of [the postings](../understand/postings.md).

**In this release nothing closes an exception**: no RPC takes the decision yet, so it stays OPEN as
a record. What it speaks of goes on by itself as soon as the provider tells more, by a webhook, an
answer or a report. Do not post around the gateway: reconciliation would call that ORPHAN_LEDGER.
"""


@cache
def meanings(proto: str) -> Mapping[str, Mapping[str, str]]:
    """Return, by enum of a contract's file, the comment of each value but the unset one."""
    with tempfile.NamedTemporaryFile(suffix=".binpb") as image:
        code = protoc.main(
            [
                "protoc",
                f"-I{ROOT / 'protos'}",
                f"-I{ROOT / 'third_party'}",
                f"-I{files('grpc_tools') / '_proto'}",
                "--include_source_info",
                f"--descriptor_set_out={image.name}",
                proto,
            ]
        )
        if code:
            sys.exit(code)
        [file] = FileDescriptorSet.FromString(Path(image.name).read_bytes()).file
    found: dict[str, dict[str, str]] = {enum.name: {} for enum in file.enum_type}
    for location in file.source_code_info.location:
        match list(location.path):
            # Path: enum_type (5), which, value (2), which; the first value is the unset one.
            case [5, number, 2, place] if place:
                enum = file.enum_type[number]
                prefix = enum.value[0].name.removesuffix("UNSPECIFIED")
                name = enum.value[place].name.removeprefix(prefix)
                found[enum.name][name] = " ".join(location.leading_comments.split())
    return found


def reasons_of(service: Described) -> Mapping[str, str]:
    """Return the meaning of each reason of a service, in order of precedence."""
    [found] = meanings(f"vezne/{service.name}/v1/reason.proto").values()
    return found


def errors_page() -> str:
    """Return docs/integrate/errors.md."""
    lines = [ERRORS_HEAD]
    for service in SERVICES:
        lines.append(f"## {service.name}\n")
        lines.append(f"ErrorInfo domain: `{service.name}.vezne`\n")
        for reason, meaning in reasons_of(service).items():
            category = service.categories[reason]
            lines.append(f"### {reason}\n")
            lines.append(meaning)
            lines.append(f"\n`{CODES[category].name}`. {ADVICE[category]}")
            if reason in service.remembered:
                lines.append("Remembered: the same request id is refused for ever.")
            lines.append("")
    return "\n".join(lines)


def reasons_file() -> str:
    """Return what `vezne errors` knows: each reason by service, with its meaning and code."""
    reasons: dict[str, dict[str, dict[str, str]]] = {}
    for service in SERVICES:
        found = reasons.setdefault(service.name, {})
        for reason, meaning in reasons_of(service).items():
            category = service.categories[reason]
            found[reason] = {
                "meaning": meaning,
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


def states_page() -> str:
    """Return docs/understand/states.md."""
    lines = [STATES_HEAD]
    for name, machine in MACHINES.items():
        told = PEOPLE[name]
        lines += [f"## {told['title']}\n", f"{told['says']}\n"]
        lines += ["| state | what it means | who acts next |", "| --- | --- | --- |"]
        known = meanings(f"vezne/psp_gateway/v1/{machine.proto}.proto")[machine.enum]
        lines += [f"| `{state}` | {known[state]} | {told['acts'][state]} |" for state in known]
        lines += ["", "| what happens | in | leads to |", "| --- | --- | --- |"]
        for fact, to, sources in _moves(machine):
            lines.append(f"| {fact} | {', '.join(sources)} | {to} |")
        lines += ["", "```mermaid", "stateDiagram-v2", *_drawn(machine), "```", ""]
    return "\n".join(lines)


def _moves(machine: Machine) -> Sequence[tuple[str, str, Sequence[str]]]:
    """Return what the machine's table says: each fact, where it leads to, and from where."""
    found: dict[tuple[str, str], list[str]] = {}
    for (state, fact), cell in machine.table.items():
        for to in cell.to if isinstance(cell, Go) else ():
            if to != state:
                found.setdefault((fact.name, to), []).append(state or NOTHING)
    for source, to in machine.by_refusal:
        found.setdefault(("the ledger refused", to), []).append(source)
    return [(fact.replace("_", " "), to, sources) for (fact, to), sources in found.items()]


def _drawn(machine: Machine) -> Iterator[str]:
    """Yield the diagram: states that leave by the same facts are drawn as one."""
    for name, members in machine.groups.items():
        yield f"    state {name} {{"
        yield from (f"        {state}" for state in sorted(members))
        yield "    }"
    arrows: dict[tuple[str, str], list[str]] = {}
    for fact, to, sources in _moves(machine):
        left = set(sources)
        for name, members in machine.groups.items():
            if members <= left:
                arrows.setdefault((name, to), []).append(fact)
                left -= members
        for state in sorted(left):
            arrows.setdefault(("[*]" if state == NOTHING else state, to), []).append(fact)
    for (source, to), told in arrows.items():
        yield f"    {source} --> {to}: {', '.join(told)}"


def exceptions_page() -> str:
    """Return docs/operate/runbook_exceptions.md."""
    found = meanings("vezne/psp_gateway/v1/operations_service.proto")
    lines = [EXCEPTIONS_HEAD, "| kind | what happened | decision | what to do |"]
    lines.append("| --- | --- | --- | --- |")
    for kind, meaning in found["ExceptionKind"].items():
        decision = DECISION_OF[ExceptionKind(kind)]
        lines.append(f"| `{kind}` | {meaning} | {decision} | {PEOPLE['exceptions'][kind]} |")
    lines += ["", "| decision | what is asked |", "| --- | --- |"]
    lines += [f"| {name} | {meaning} |" for name, meaning in found["DecisionKind"].items()]
    return "\n".join([*lines, ""])


PAGES = {
    ROOT / "docs/integrate/errors.md": errors_page,
    ROOT / "docs/operate/configuration.md": configuration_page,
    ROOT / "docs/operate/runbook_exceptions.md": exceptions_page,
    ROOT / "docs/understand/states.md": states_page,
    ROOT / "services/cli/reasons.json": reasons_file,
}


def main() -> None:
    """Write the pages."""
    for path, page in PAGES.items():
        path.write_text(page())


if __name__ == "__main__":
    main()
