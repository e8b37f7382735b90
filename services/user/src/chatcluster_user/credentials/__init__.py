"""What people prove themselves by: a confirmed address, a password, a second factor."""
