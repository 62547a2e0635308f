"""The gateway's rules: what a fact does to its object, and what it books. Pure."""
