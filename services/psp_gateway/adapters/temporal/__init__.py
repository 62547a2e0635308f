"""The gateway's workflows as its use cases know them, on Temporal."""
