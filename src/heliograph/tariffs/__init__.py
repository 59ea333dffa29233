"""Tariffs and the value of energies at their prices; pure: no store, no files, no requests."""
