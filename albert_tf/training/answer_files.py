"""Answers into files: a table, JSON lines, or what the scorers of a data set take."""

from pathlib import Path

from albert_tf.data.glue import submission
from albert_tf.data.glue_tasks import find_split
from albert_tf.staging import new_directory, new_file
from albert_tf.training.jobs.rows import write_lines, write_rows, write_table


def write_answers(trained, rows, path, examples=None, split=None):
    """Writes answers to a new file, or in the official form into a new directory.

    Args:
        trained: `TrainedRun` that gave them.
        rows: from its job.
        path: a file named `.tsv` or `.jsonl`, or a directory. There is, beside what the job
            writes, the file for the GLUE server where `split` is a test part of GLUE.
        examples: what was asked.
        split: the part of the data set that was asked; None for other data.

    Raises:
        FileExistsError: `path` exists.
    """
    path = Path(path)
    writers = {".tsv": write_table, ".jsonl": write_rows}
    if path.suffix.lower() in writers:
        with new_file(path) as staged:
            writers[path.suffix.lower()](rows, staged)
        return
    with new_directory(path) as staged:
        trained.job.write(rows, staged, examples)
        name = trained.task.glue
        if name and split and find_split(name, split).submission:
            answers = [row[trained.job.answer_key] for row in rows]
            file_name, lines = submission(name, split, answers)
            write_lines(lines, staged / file_name)
