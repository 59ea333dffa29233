"""The money of stored energies at the configured tariffs, and the tables of prices."""

from heliograph.money.reader import MoneyReader

__all__ = ["MoneyReader"]
