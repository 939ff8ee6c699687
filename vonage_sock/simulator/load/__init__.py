"""A load test: many calls at once, and how long the server takes to return what they say."""
