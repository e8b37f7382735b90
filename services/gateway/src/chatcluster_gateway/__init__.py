"""The API gateway: token check, rate limits, streaming proxy."""
