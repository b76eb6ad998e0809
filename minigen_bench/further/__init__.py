"""What is timed beside training: inference, and the check of a gradient."""
