"""SEMS+ Web: the dialect that replaced the SEMS Portal in 2026."""
