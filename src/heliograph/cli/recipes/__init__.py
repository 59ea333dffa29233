"""Configurations of other programs for the user's own plants; `heliograph recipe` prints them."""
