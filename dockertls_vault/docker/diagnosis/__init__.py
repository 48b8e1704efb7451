"""What a handshake with a daemon means, and what to do about it."""
