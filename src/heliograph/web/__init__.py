"""What a browser and local programs see of the store: the page, the JSON API and the metrics."""
