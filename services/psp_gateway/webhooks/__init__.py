"""The HTTP door: providers' webhooks, and nothing else."""
