"""The rules of the book: accounts in, decisions out; no I/O, no clock, no framework."""
