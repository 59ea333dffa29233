"""The SEMS Portal: the classic dialect, as far as it still answers."""
