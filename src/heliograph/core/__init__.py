"""Protocol engine: declared calls, the request and response types, and the login and retry flow of one account."""
