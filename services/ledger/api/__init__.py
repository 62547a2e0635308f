"""The ledger's gRPC services: protobuf to commands and back, nothing else."""
