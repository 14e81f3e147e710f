"""The original's windows and answers to SQuAD in plain Python, restated, to compare with."""

import math


def slide(num_question, num_context, sequence_length, doc_stride):
    """First piece and number of pieces of each window (`convert_examples_to_features`)."""
    room, spans, first = sequence_length - num_question - 3, [], 0
    while True:
        length = min(room, num_context - first)
        spans.append((first, length))
        if first + length == num_context:
            return spans
        first += min(length, doc_stride)


def best_window(spans, piece):
    """Number of the window that shows the piece with the most context (`_check_is_max_context`)."""
    scores = []
    for first, length in spans:
        left, right = piece - first, first + length - 1 - piece
        is_there = left >= 0 and right >= 0
        scores.append(min(left, right) + 0.01 * length if is_there else -math.inf)
    return scores.index(max(scores))


def n_best(context, windows, candidates, num_answers, max_answer_length):
    """The list of answers to one question (`accumulate_predictions_v2`, `write_predictions_v2`).

    Args:
        context: the text.
        windows: of the question, each a dictionary of lists `char_starts`, `char_ends` and
            `is_max_context`, -1 where there is no context.
        candidates: for each window, tuples (start, end, start score, end score).

    Returns:
        List of (text, probability, start score, end score).
    """
    found = []
    for window, proposed in zip(windows, candidates, strict=True):
        for start, end, start_score, end_score in proposed:
            begin, stop = window["char_starts"][start], window["char_ends"][end]
            if begin < 0 or stop < 0 or window["is_max_context"][start] != 1:
                continue
            if end < start or end - start + 1 > max_answer_length:
                continue
            found.append((context[begin:stop].strip(), start_score, end_score))
    found.sort(key=lambda answer: answer[1] + answer[2], reverse=True)
    best = []
    for answer in found:
        if answer[0] and answer[0] not in [kept[0] for kept in best]:
            best.append(answer)
    best = best[:num_answers] or [("", -1e6, -1e6)]
    largest = max(start + end for _, start, end in best)
    powers = [math.exp(start + end - largest) for _, start, end in best]
    return [
        (text, power / sum(powers), start, end)
        for (text, start, end), power in zip(best, powers, strict=True)
    ]
