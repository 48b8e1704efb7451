"""Talk to Docker daemons."""
