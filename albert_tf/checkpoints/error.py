"""What all readers of checkpoints raise."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, or does not fit the model; the message lists all of it."""
