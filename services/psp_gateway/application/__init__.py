"""The gateway's use cases, and what they need of the outside. No framework."""
