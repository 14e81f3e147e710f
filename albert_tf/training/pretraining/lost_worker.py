"""What a worker says when another one is gone."""


class WorkerLost(RuntimeError):
    """Another worker of the cluster is gone; all of them must be started again."""

    exit_code = 3
