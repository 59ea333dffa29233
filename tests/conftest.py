"""What all tests share: properties are drawn the same way in every run, and no slow machine fails them."""

from hypothesis import settings

settings.register_profile("heliograph", deadline=None, derandomize=True, database=None)
settings.load_profile("heliograph")
