"""Reconciliation's gRPC services: protobuf to requests and back, nothing else."""
