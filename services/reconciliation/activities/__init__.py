"""The activities of a run: each calls one use case."""
