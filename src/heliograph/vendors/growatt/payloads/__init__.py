"""Response payloads of the Growatt ShinePhone API."""
