"""What `daemon doctor` examines, and what each thing that it finds means; pure."""
