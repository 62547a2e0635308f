"""A payment provider of our own, for tests and demos: real HTTP, real books, chosen misfortunes."""
