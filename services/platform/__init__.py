"""How a service meets the world: settings, gRPC, database, telemetry."""
