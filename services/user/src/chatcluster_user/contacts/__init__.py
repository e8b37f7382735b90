"""Contacts: who has asked whom, who has accepted, who has blocked."""
