"""Both clouds in a box: sockets, a clock, homes, accounts and faults."""
