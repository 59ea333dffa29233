"""Energy counters: repair of one counter, reconciliation of two."""
