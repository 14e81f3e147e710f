"""The original's choice of masked positions in its plain form, the yardstick of ours.

What `create_masked_lm_predictions` of google-research/albert does (commit 0cf7f57), told in few
lines, with the chance handed in. Every word has its n-grams of 1..max words, cut off at the end
of the text; they are tried in a random order; one that exceeds the budget is replaced by shorter
ones; one that overlaps what is taken is dropped.
"""

import random


def original_words(starts):
    """Positions of the tokens of each word, from whether each token starts one."""
    words = []
    for position, is_start in enumerate(starts):
        if words and not is_start:
            words[-1].append(position)
        else:
            words.append([position])
    return words


def original_budget(num_tokens, mask_fraction, max_predictions):
    return min(max_predictions, max(1, int(round(num_tokens * mask_fraction))))


def original_positions(words, order, lengths, budget, max_ngram):
    """Positions that are masked when n-grams are tried in `order`, each of its length first."""
    ngrams = [[words[i : i + n] for n in range(1, max_ngram + 1)] for i in range(len(words))]
    covered = set()
    for start in order:
        if len(covered) >= budget:
            break
        n = lengths[start]
        span = sum(ngrams[start][n - 1], [])
        while len(covered) + len(span) > budget and n > 1:
            n -= 1
            span = sum(ngrams[start][n - 1], [])
        if len(covered) + len(span) > budget or covered & set(span):
            continue
        covered |= set(span)
    return sorted(covered)


def draw_original(words, rng: random.Random, budget, max_ngram):
    """The same with its chance drawn as the original draws it."""
    order = list(range(len(words)))
    rng.shuffle(order)
    weights = [1 / n for n in range(1, max_ngram + 1)]
    lengths = rng.choices(range(1, max_ngram + 1), weights, k=len(words))
    return original_positions(words, order, lengths, budget, max_ngram)
