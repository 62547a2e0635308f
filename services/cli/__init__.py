"""The `vezne` command: a module a noun."""
