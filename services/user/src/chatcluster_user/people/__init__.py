"""People: their profiles, finding them, and what the other services ask about them."""
