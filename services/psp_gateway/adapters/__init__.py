"""What implements the gateway's ports: PostgreSQL, the ledger's stubs, providers, encryption."""
