"""Conversations and messages, over REST and Socket.IO."""
