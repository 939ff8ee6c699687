"""What belongs to a Vonage account: its credentials, its applications, and what we change in them and put back."""
