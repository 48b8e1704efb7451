"""This host: its names, its resolver, and what runs on it."""
