"""The whole stack on one machine. Never imported by the three services."""
