"""Tariffs, and the money of stored energies at their prices.

`tariff`, `spread`, `money` and `prices` are pure; `price_files` reads and fetches tables of prices, `reader` reads the
store.
"""
