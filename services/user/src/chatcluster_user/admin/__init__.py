"""What those do who run the platform: roles, suspension, other people's sessions."""
