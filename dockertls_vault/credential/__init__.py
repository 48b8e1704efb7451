"""One credential on disk: where it is, whether it may go there, its generations, its swap."""
