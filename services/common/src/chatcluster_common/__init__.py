"""What the chat services share: settings, application, errors, auth, health, drain, metrics, events, real time."""
