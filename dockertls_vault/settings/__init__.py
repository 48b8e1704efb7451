"""The settings: what there is, where each may come from, and what it may be."""
