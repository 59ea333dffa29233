"""The vendors: one folder per vendor API, and the registry of all of them. Vendors never import each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heliograph.vendors.registry import VENDORS, VendorInfo

__all__ = ["VENDORS", "VendorInfo"]


def __getattr__(name: str) -> object:
    # Imported when first used: a client of one vendor needs no registry.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from heliograph.vendors import registry  # noqa: PLC0415

    return getattr(registry, name)
