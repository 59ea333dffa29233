"""Outputs: one module for each service that samples or current values are sent to."""
