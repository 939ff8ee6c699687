"""Real calls, by the Voice API: placed, changed while they last, and hung up."""
