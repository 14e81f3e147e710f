"""What tasks share whose answers are many a row, some of which do not count."""


class WeightedAnswers:
    """Mixin of tasks that mark by sample weights which of a row's answers count.

    Keras has metrics that look at the weights and others that do not; the usual ones of such a
    task must, or padding would count as answered. Stands before `AlbertTask`.
    """

    def default_weighted_metrics(self):
        """The metrics of `compile(metrics="auto")`."""
        return []

    def compile(
        self, optimizer="auto", loss="auto", *, metrics="auto", weighted_metrics=None, **kwargs
    ):
        """Compiles for training; `"auto"` is the recipe of the task.

        Args:
            optimizer, loss: as in `AlbertTask`.
            metrics: Keras metrics that count padding too; `"auto"` for the usual weighted ones.
            weighted_metrics: Keras metrics that do not; None for those of `metrics`.
            **kwargs: as in Keras.
        """
        if metrics == "auto":
            metrics = None
            if weighted_metrics is None:
                weighted_metrics = self.default_weighted_metrics()
        super().compile(
            optimizer, loss, metrics=metrics, weighted_metrics=weighted_metrics, **kwargs
        )
