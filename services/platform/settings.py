"""Settings: from the environment, checked whole, frozen, built once in a composition root.

A service reads `VEZNE_<SERVICE>_NAME`, and the blocks that all share as
`VEZNE_<SERVICE>_BLOCK__NAME`. A missing, wrong or unknown variable under the prefix stops start-up
with the full list.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, NoReturn, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

EXIT_BAD_SETTINGS = 2

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class SettingsError(Exception):
    """The settings are unusable; `problems` lists each variable with what is wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Block(BaseModel):
    """A group of settings that several services share."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _postgresql(url: SecretStr) -> SecretStr:
    if not url.get_secret_value().startswith(("postgresql://", "postgresql+asyncpg://")):
        raise ValueError("must be a URL that starts with postgresql://")
    try:
        make_url(url.get_secret_value())
    except (ArgumentError, ValueError):
        # What exactly is wrong would show the secret.
        raise ValueError("is not a URL like postgresql://role:password@host:5432/name") from None
    return url


class DatabaseSettings(Block):
    """How to reach PostgreSQL, 15 or newer."""

    url: Annotated[
        SecretStr,
        AfterValidator(_postgresql),
        Field(description="postgresql:// URL of the service's database, with its role."),
    ]
    pool_size: Annotated[int, Field(ge=1, le=200, description="Connections a process opens.")] = 10
    pool_timeout_s: Annotated[
        Seconds, Field(description="How long a request waits for a connection.")
    ] = 5.0
    statement_timeout_s: Annotated[
        Seconds, Field(description="PostgreSQL's statement_timeout.")
    ] = 30.0
    lock_timeout_s: Annotated[Seconds, Field(description="PostgreSQL's lock_timeout.")] = 10.0


class GrpcServerSettings(Block):
    """How the service listens."""

    host: Annotated[str, Field(description="The address to listen on.")] = "127.0.0.1"
    port: Annotated[Port, Field(description="The gRPC port; 0 takes any free one.")] = 0
    health_port: Annotated[
        Port, Field(description="The plaintext port that serves health only; 0 takes any free one.")
    ] = 0
    metrics_port: Annotated[
        Port | None, Field(description="The HTTP port of /metrics; unset serves none.")
    ] = None
    concurrent_rpcs_max: Annotated[
        int, Field(ge=1, description="RPCs in progress at once; more are refused.")
    ] = 2000
    receive_bytes_max: Annotated[
        int, Field(ge=65_536, description="The largest request, in bytes.")
    ] = 16 * 1024 * 1024
    default_deadline_s: Annotated[
        Seconds, Field(description="The deadline of a unary RPC whose caller set none.")
    ] = 10.0
    max_deadline_s: Annotated[
        Seconds, Field(description="The longest deadline of a unary RPC.")
    ] = 60.0
    drain_grace_s: Annotated[
        Seconds, Field(description="How long RPCs in progress may take to end at shutdown.")
    ] = 20.0
    connection_age_s: Annotated[
        Seconds,
        Field(description="When clients are asked to connect again, to spread over replicas."),
    ] = 300.0
    reflection: Annotated[bool, Field(description="Whether gRPC reflection is served.")] = True


class GrpcClientSettings(Block):
    """How to call another service."""

    target: Annotated[str, Field(min_length=1, description="host:port, or a dns:/// target.")]
    timeout_s: Annotated[Seconds, Field(description="The deadline of a call without one.")] = 5.0


class LogSettings(Block):
    """What is logged, and how."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="The least level logged.")
    ] = "info"
    format: Annotated[
        Literal["auto", "json", "pretty"],
        Field(description="auto is pretty on a terminal and JSON elsewhere."),
    ] = "auto"


class ServiceSettings(BaseSettings):
    """What every service's settings build on; a subclass sets `env_prefix`."""

    model_config = SettingsConfigDict(
        env_nested_delimiter="__", frozen=True, extra="forbid", case_sensitive=False
    )

    log: LogSettings = LogSettings()


Settings = TypeVar("Settings", bound=BaseSettings)


def variables(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """Yield the name of each variable that `model` reads, in the order of its fields."""
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name}".upper()
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Block):
            yield from variables(annotation, f"{variable}__")
        else:
            yield variable


def _required(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """Yield the name of each variable without a default, in the order of the model's fields."""
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name}".upper()
        annotation = field.annotation
        if not field.is_required():
            continue
        if isinstance(annotation, type) and issubclass(annotation, Block):
            yield from _required(annotation, f"{variable}__")
        else:
            yield variable


def load(cls: type[Settings]) -> Settings:
    """Build the settings from the environment.

    Raises:
        SettingsError: a variable is missing, wrong or unknown; all of them are listed.
    """
    prefix = str(cls.model_config["env_prefix"])
    known = set(variables(cls, prefix))
    problems = [
        f"{name}: unknown; did you mean one of those in docs/operate/configuration.md?"
        for name in sorted(os.environ)
        if name.upper().startswith(prefix) and name.upper() not in known
    ]
    try:
        settings = cls()
    except ValidationError as error:
        # The values are left out: one of them may be a secret.
        for problem in error.errors(include_input=False, include_url=False):
            variable = f"{prefix}{'__'.join(str(part) for part in problem['loc'])}".upper()
            if problem["type"] == "missing":
                # Of a block that is missing whole, those of its variables that have no default.
                problems += [
                    f"{name}: missing"
                    for name in _required(cls, prefix)
                    if name == variable or name.startswith(f"{variable}__")
                ]
            elif variable in known:
                problems.append(f"{variable}: {problem['msg']}")
    except UnreadableError as error:
        # A block's own name was given, as JSON it would be; it is in the list as unknown.
        problems = problems or [str(error)]
    if problems:
        raise SettingsError(problems)
    return settings


def read_secret(path: Path) -> bytes:
    """Return the content of a secret's file without the line end that editors add.

    Raises:
        SettingsError: it cannot be read, or is empty.
    """
    try:
        content = path.read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise SettingsError([f"secret file {path}: {error.strerror}"]) from error
    if not content:
        raise SettingsError([f"secret file {path}: is empty"])
    return content


def exit_with(error: SettingsError) -> NoReturn:
    """Print what is wrong, a line each, and exit with code 2."""
    for problem in error.problems:
        sys.stderr.write(f"settings: {problem}\n")
    sys.exit(EXIT_BAD_SETTINGS)
