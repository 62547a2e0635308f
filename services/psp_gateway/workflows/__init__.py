"""The gateway's workflows: light, and without rules of their own."""
