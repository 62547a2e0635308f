"""The ledger: the one true record of every balance."""
