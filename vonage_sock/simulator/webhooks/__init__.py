"""The platform's requests to the application's URLs."""
