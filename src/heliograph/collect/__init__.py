"""Collector: poll schedule, account pollers, counter repair, gap filling and backfill."""
