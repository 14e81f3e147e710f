"""What the preprocessors of the tasks share."""

LONGEST = 512


class FitsModel:
    """Mixin of preprocessors; stands before the keras_hub class in the list of bases.

    A preset that holds no preprocessor of the task, such as one of a pretraining, gets one that
    reads as much as the model has positions for.
    """

    def build(self, input_shape):
        # No packer layer: the rows are packed with ops that every TF Serving has.
        self.built = True

    @classmethod
    def _add_missing_kwargs(cls, loader, kwargs):
        positions = loader.config["config"]["config"]["max_position_embeddings"]
        kwargs.setdefault("sequence_length", min(LONGEST, positions))
        return super()._add_missing_kwargs(loader, kwargs)
