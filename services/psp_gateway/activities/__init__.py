"""The gateway's activities: each calls one use case, under the name that workflows know."""
