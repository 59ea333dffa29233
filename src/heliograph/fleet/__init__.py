"""Fleets: thousands of accounts on several machines, with PostgreSQL as the only server (docs/fleet.md)."""
