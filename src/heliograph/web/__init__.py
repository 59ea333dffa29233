"""The web server: HTML pages, JSON API, live events and Prometheus metrics."""
