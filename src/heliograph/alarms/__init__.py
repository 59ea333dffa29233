"""Alarms: conditions of plants and accounts that a person should know about (ADR 0032)."""
