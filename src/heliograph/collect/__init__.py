"""When to ask, what to keep, what to repair and what to heal."""
