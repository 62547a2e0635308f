"""A casino's day, from outside: only RPCs, HTTP and the Temporal client, no service's inside."""
