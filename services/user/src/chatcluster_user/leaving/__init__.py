"""What people take along and leave behind: export and erasure of all that any service holds about them."""
