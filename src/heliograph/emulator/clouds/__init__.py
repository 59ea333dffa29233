"""Emulated vendor clouds, one package each."""
