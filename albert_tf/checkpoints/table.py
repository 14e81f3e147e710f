"""Tables of names: which published weight is which of ours."""

from dataclasses import dataclass, field
from typing import NamedTuple

from albert_tf.checkpoints.error import CheckpointError


class Row(NamedTuple):
    """One weight: its path in our model, its published name, and whether the axes are swapped."""

    ours: str
    published: str
    transposed: bool = False


@dataclass(frozen=True)
class Table:
    """All weights of one family of checkpoints, with `{g}` and `{i}` for group and inner group.

    Args:
        family: what to call these checkpoints in a message.
        embeddings: rows of the tables and their norm.
        projection: rows of the product E x H, absent where E = H.
        layer: rows of one encoder layer.
        pooler: rows of the pooler.
        heads: name of our head layer -> its rows. Heads that are published under one name
            (classes and choices) stand here more than once.
        tied: published copy -> the weight that it repeats.
        always_projects: whether the product E x H is there even where E = H.
    """

    family: str
    embeddings: tuple
    projection: tuple
    layer: tuple
    pooler: tuple
    heads: dict = field(default_factory=dict)
    tied: dict = field(default_factory=dict)
    always_projects: bool = False

    def rows(self, config, pooler=True, heads=()):
        """The rows of one model.

        Args:
            config: `AlbertConfig`.
            pooler: whether the model has a pooler.
            heads: names of the head layers that it has.

        Raises:
            CheckpointError: the family has no names for such a model.
        """
        rows = list(self.embeddings)
        if config.has_projection:
            rows += self.projection
        for group in range(published_groups(config)):
            for inner in range(config.inner_group_num):
                place = {"g": group, "i": inner}
                rows += [
                    row._replace(
                        ours=row.ours.format(**place), published=row.published.format(**place)
                    )
                    for row in self.layer
                ]
        if pooler:
            rows += self.pooler
        for head in heads:
            if head not in self.heads:
                raise CheckpointError(
                    f"{self.family} has no names for {head}: it has {', '.join(self.heads)}."
                )
            rows += self.heads[head]
        repeated = [row.published for row in rows]
        if len(set(repeated)) < len(rows):
            raise CheckpointError(
                f"{self.family} has one name for all layers: it cannot hold "
                f"num_hidden_groups={published_groups(config)} with "
                f"inner_group_num={config.inner_group_num}. Use another format."
            )
        return rows

    def heads_in(self, names):
        """Names of the head layers of which at least one weight is among the published `names`."""
        return {
            head for head, rows in self.heads.items() if any(r.published in names for r in rows)
        }

    def names_of_heads(self):
        """All published names that belong to a head."""
        return {row.published for rows in self.heads.values() for row in rows}


def published_groups(config):
    """How many groups a model has where published names know groups and nothing else.

    `sharing="none"` is a group for each step. Attention and feed-forward block of a published
    group come in pairs, so that sharing only one of them has no name.

    Raises:
        CheckpointError: `sharing` is `attention` or `ffn`.
    """
    if config.sharing in ("attention", "ffn"):
        raise CheckpointError(
            f"Published names know only whole groups: sharing={config.sharing!r} has no names "
            "in them. Keep such a model as a preset (save_to_preset)."
        )
    return config.num_sets("attention") // config.inner_group_num
