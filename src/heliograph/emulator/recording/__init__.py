"""Recordings: what the reads of an account return, with private data replaced; recorded, stored and served again."""
