"""The triage page of a fleet: plants of several tenants, by what needs a person."""
