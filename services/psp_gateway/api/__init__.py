"""gRPC to use cases and back, and nothing else."""
