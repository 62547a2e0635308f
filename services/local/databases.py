"""Databases for the stack on one machine: roles, one database, and each service's schema."""

from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from services.platform.migrations import SERVICES, migrate


@dataclass(frozen=True, slots=True)
class Databases:
    """One database with a schema and a role a service.

    Args:
        owner_url: the database as the role that owns the schemas, for migrations.
        password: of the services' roles.
    """

    owner_url: str
    password: str

    def url(self, service: str) -> str:
        """Return the database's URL for a service's role."""
        parts = urlsplit(self.owner_url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(
            parts._replace(netloc=f"{role_of(service)}:{quote(self.password)}@{host}")
        )


def role_of(service: str) -> str:
    """Return the role that a service uses."""
    return f"vezne_{service}"


def with_database(url: str, database: str) -> str:
    """Return a server's URL for another of its databases."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


async def prepare(server_url: str, database: str, password: str) -> Databases:
    """Make the services' roles and an empty database, where they are missing.

    Args:
        server_url: a role that may make roles and databases.
        database: the name of the database.
        password: for the services' roles; a role that exists gets it as well.
    """
    connection = await asyncpg.connect(server_url)
    try:
        quoted = await connection.fetchval("SELECT quote_literal($1::text)", password)
        for service in SERVICES:
            exists = await connection.fetchval(
                "SELECT 1 FROM pg_roles WHERE rolname = $1", role_of(service)
            )
            verb = "ALTER" if exists else "CREATE"
            await connection.execute(f"{verb} ROLE {role_of(service)} LOGIN PASSWORD {quoted}")
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database):
            await connection.execute(f'CREATE DATABASE "{database}"')
    finally:
        await connection.close()
    return Databases(with_database(server_url, database), password)


def migrate_all(databases: Databases) -> None:
    """Bring every service's schema to this release."""
    for service in SERVICES:
        migrate(service, databases.owner_url)
