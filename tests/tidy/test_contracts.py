"""What buf cannot hold of the contracts: our own habits, read from the generated descriptors."""

import builtins
import importlib
import keyword
import pkgutil
from collections import Counter
from collections.abc import Iterator

import protovalidate
import pytest
from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    FileDescriptor,
    MethodDescriptor,
    ServiceDescriptor,
)
from google.protobuf.message_factory import GetMessageClass

import vezne
from services.kernel.movements import MovementKind, Pot
from vezne.ledger.v1.reason_pb2 import LedgerReason
from vezne.psp_gateway.v1.reason_pb2 import PspGatewayReason
from vezne.reconciliation.v1.reason_pb2 import ReconciliationReason
from vezne.type.v1 import movement_pb2

RPCS_MAX = 12
READS = ("Get", "List", "Export", "Watch", "Stream")
# The words that the house has others for; `payment` and `payout` are a provider's.
FOREIGN_WORDS = {"payment", "payments", "payout", "payouts", "status", "statuses"}
# Of the platform: they mean the same in every service, and come first in the precedence.
COMMON_REASONS = [
    "UNSPECIFIED",
    "INTERNAL",
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "QUEUE_FULL",
    "REQUEST_TOO_LARGE",
    "INVALID_REQUEST",
    "UNKNOWN_FIELD",
    "NOT_IMPLEMENTED",
]


def _files() -> Iterator[FileDescriptor]:
    for module in pkgutil.walk_packages(vezne.__path__, "vezne."):
        if module.name.endswith("_pb2"):
            yield importlib.import_module(module.name).DESCRIPTOR


def _with_nested(message: Descriptor) -> Iterator[Descriptor]:
    yield message
    for nested in message.nested_types:
        if not nested.GetOptions().map_entry:
            yield from _with_nested(nested)


FILES: list[FileDescriptor] = list(_files())
SERVICES: list[ServiceDescriptor] = [s for file in FILES for s in file.services_by_name.values()]
RPCS: list[MethodDescriptor] = [method for service in SERVICES for method in service.methods]
MESSAGES: list[Descriptor] = [
    message
    for file in FILES
    for outer in file.message_types_by_name.values()
    for message in _with_nested(outer)
]
ENUMS: list[EnumDescriptor] = [
    *(enum for file in FILES for enum in file.enum_types_by_name.values()),
    *(enum for message in MESSAGES for enum in message.enum_types),
]
MUTATIONS = [rpc for rpc in RPCS if not rpc.name.startswith(READS)]
LISTS = [rpc for rpc in RPCS if rpc.name.startswith("List")]


def _name(descriptor: Descriptor | EnumDescriptor | MethodDescriptor | ServiceDescriptor) -> str:
    return str(descriptor.full_name).removeprefix("vezne.")


def _enum_name(wrapper: type[LedgerReason]) -> str:
    return _name(wrapper.DESCRIPTOR)


def _field(message: Descriptor, name: str) -> FieldDescriptor | None:
    return message.fields_by_name.get(name)


def _upper_snake(name: str) -> str:
    parts: list[str] = []
    for character in name:
        parts.append(f"_{character}" if character.isupper() and parts else character.upper())
    return "".join(parts)


def test_every_contract_is_looked_at() -> None:
    """All four packages are found: no test here passes for want of something to look at."""
    assert {file.package for file in FILES} == {
        "vezne.type.v1",
        "vezne.ledger.v1",
        "vezne.psp_gateway.v1",
        "vezne.reconciliation.v1",
    }
    assert MUTATIONS
    assert LISTS


@pytest.mark.parametrize("service", SERVICES, ids=_name)
def test_a_service_is_small(service: ServiceDescriptor) -> None:
    """A gRPC service is one noun: at most twelve RPCs."""
    assert len(service.methods) <= RPCS_MAX


def test_each_rpc_has_its_own_request_and_response() -> None:
    """Requests and responses are named after their RPC, and no two RPCs share one."""
    for rpc in RPCS:
        assert rpc.input_type.name == f"{rpc.name}Request"
        assert rpc.output_type.name == f"{rpc.name}Response"
    uses = Counter(t.full_name for rpc in RPCS for t in (rpc.input_type, rpc.output_type))

    assert [name for name, count in uses.items() if count > 1] == []


@pytest.mark.parametrize("rpc", RPCS, ids=_name)
def test_the_tenant_comes_first(rpc: MethodDescriptor) -> None:
    """Every request names its tenant in field 1; only the list of the tenants themselves cannot."""
    if rpc.name == "ListTenants":
        return
    tenant = _field(rpc.input_type, "tenant_id")

    assert tenant is not None
    assert tenant.number == 1


@pytest.mark.parametrize("rpc", MUTATIONS, ids=_name)
def test_a_mutation_can_be_repeated(rpc: MethodDescriptor) -> None:
    """A mutation has a `request_id` and its answer says `replayed`; in a batch, each item."""
    request, response = rpc.input_type, rpc.output_type
    if rpc.name.startswith("Batch"):
        items, results = _field(request, "items"), _field(response, "results")
        assert items is not None
        assert results is not None
        assert _field(items.message_type, "request_id") is not None
        assert _field(results.message_type, "replayed") is not None
        return
    request_id = _field(request, "request_id")

    assert request_id is not None
    assert request_id.number == 2
    assert _field(response, "replayed") is not None


@pytest.mark.parametrize("rpc", LISTS, ids=_name)
def test_a_list_has_pages(rpc: MethodDescriptor) -> None:
    """Every list is paged from its first release."""
    assert _field(rpc.input_type, "page_size") is not None
    assert _field(rpc.input_type, "page_token") is not None
    assert _field(rpc.output_type, "next_page_token") is not None


@pytest.mark.parametrize("enum", ENUMS, ids=_name)
def test_an_enum_is_prefixed_and_starts_unspecified(enum: EnumDescriptor) -> None:
    """Enum values bear their enum's name, and 0 means that nothing was said."""
    prefix = _upper_snake(enum.name)

    assert enum.values_by_number[0].name.endswith("_UNSPECIFIED")
    assert [v.name for v in enum.values if not v.name.startswith(f"{prefix}_")] == []


def test_names_are_good_python() -> None:
    """No field is a Python keyword, and no message or enum hides a keyword or a builtin."""
    fields = [f"{_name(message)}.{field.name}" for message in MESSAGES for field in message.fields]
    types = [*map(_name, MESSAGES), *map(_name, ENUMS)]
    taken = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins)}

    assert [name for name in fields if keyword.iskeyword(name.rpartition(".")[2])] == []
    assert [name for name in types if name.rpartition(".")[2] in taken] == []


def test_names_are_the_words_of_the_house() -> None:
    """What the glossary has a word for is called by it: deposit, withdrawal, state."""
    names = [_upper_snake(described.name).lower() for described in (*MESSAGES, *ENUMS)]
    names += [field.name for message in MESSAGES for field in message.fields]
    names += [value.name.lower() for enum in ENUMS for value in enum.values]

    assert [name for name in names if FOREIGN_WORDS & set(name.split("_"))] == []


@pytest.mark.parametrize("message", MESSAGES, ids=_name)
def test_the_rules_of_shape_can_be_checked(message: Descriptor) -> None:
    """The protovalidate rules of every message compile, here and not first in production."""
    protovalidate.collect_violations(GetMessageClass(message)())


@pytest.mark.parametrize(
    "reasons", [LedgerReason, PspGatewayReason, ReconciliationReason], ids=_enum_name
)
def test_reasons_begin_alike(reasons: type[LedgerReason]) -> None:
    """What `platform` refuses on its own has the same reason and place in every service."""
    names = [reasons.Name(number) for number in range(len(COMMON_REASONS))]

    assert [name.split("_REASON_", 1)[1] for name in names] == COMMON_REASONS


@pytest.mark.parametrize(
    ("proto", "ours"),
    [(movement_pb2.Pot, Pot), (movement_pb2.MovementKind, MovementKind)],
    ids=["Pot", "MovementKind"],
)
def test_movements_mirror_the_kernel(
    proto: type[movement_pb2.Pot], ours: type[Pot] | type[MovementKind]
) -> None:
    """The contract has exactly the kernel's pots and movement kinds, in its order."""
    prefix = _upper_snake(proto.DESCRIPTOR.name)

    assert [v.name.removeprefix(f"{prefix}_") for v in proto.DESCRIPTOR.values[1:]] == [
        member.name for member in ours
    ]


@pytest.mark.parametrize("kind", MovementKind)
def test_a_movement_kinds_text_is_its_name(kind: MovementKind) -> None:
    """The kernel's text of a kind, which the ledger keeps, is the contract's name in lower case."""
    assert kind.value == kind.name.lower()
