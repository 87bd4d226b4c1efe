"""Numba kernels of fastText: a word is the mean of its own row and its n-grams' rows.

Bojanowski et al. (2017), https://aclanthology.org/Q17-1010. Shapes and names are those of
`static.kernels`, and:

ends_in, rows_in : (n_words + 1,) int64 and (total,) int32; word i has the rows
    rows_in[ends_in[i] : ends_in[i + 1]] of w_in, its own first

fastText gathers and changes those rows, twenty or more, anew for each word of the window. Here it
is done once a window: the center's mean meets all of the window's words and all of their negatives
at once.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from rowspace.static.kernels import (
    TARGETS_OF_ONE,
    add_scaled,
    gather_mean,
    hidden_step,
    next_random,
    padded,
    path_targets,
    random_below,
    subsample,
)
from rowspace.static.simd import prefetch

_ONE = np.float32(1.0)


@njit(cache=True, nogil=True)
def train_subword_piece(
    w_in, w_out, dim, missing_out, frozen, tokens, begin, end, keep, noise, ends, nodes, labels,
    ends_in, rows_in, window, dynamic, n_negative, is_cbow, corrected, exact, learning_rate, state,
):  # fmt: skip
    """Train on every center word of tokens[begin:end]; the rest of `tokens` is only context.

    is_cbow   : predict the center from the mean of all its contexts' rows, else (skip-gram) each
                context from the mean of the center's rows
    corrected : divide the gradient as the mean does; fastText does not
    Others and the return value: as in `kernels.train_piece`.
    """
    n_tokens = tokens.shape[0]
    is_tree = noise.shape[0] == 0
    kept = np.empty(n_tokens, np.int32)
    is_center = np.empty(n_tokens, np.bool_)
    sentence = np.empty(n_tokens, np.int64)
    n_kept = subsample(tokens, keep, begin, end, kept, is_center, sentence, state)

    longest = 2 * window * n_negative + 1
    for word in range(ends.shape[0] - 1):
        longest = max(longest, ends[word + 1] - ends[word])
    size = padded(longest, 8) + 8
    most_rows = 1
    for word in range(ends_in.shape[0] - 1):
        most_rows = max(most_rows, ends_in[word + 1] - ends_in[word])
    offsets = np.empty(most_rows * (2 * window if is_cbow else 1), np.int64)
    contexts = np.empty(2 * window, np.int32)
    drawn = np.empty(n_negative * 2 * window, np.int32)
    others = np.empty(n_negative * 2 * window, np.int32)
    hidden = np.zeros(dim, np.float32)
    change = np.zeros(dim, np.float32)
    targets = np.full(size, missing_out)
    target_labels = np.zeros(size, np.float32)
    weights = np.zeros(size, np.float32)
    ones = np.ones(size, np.float32)
    zeros = np.zeros(size, np.float32)
    logits = np.empty(size, np.float32)
    saved = np.empty(size, np.float32)

    loss = 0.0
    n_predictions = 0
    first = 0
    for i in range(n_kept):
        if i > 0 and sentence[i] != sentence[i - 1]:
            first = i
        if i + 1 < n_kept and not is_cbow:  # the next center's rows come from memory meanwhile
            word = kept[i + 1]
            for r in range(ends_in[word], ends_in[word + 1]):
                for d in range(0, dim, 16):
                    prefetch(w_in, np.int64(rows_in[r]) * dim + d)
        if not is_center[i]:
            continue
        reach = window - random_below(window, state) if dynamic else window
        n_contexts = 0
        for j in range(max(first, i - reach), min(sentence[i], i + reach + 1)):
            if j != i:
                contexts[n_contexts] = kept[j]
                n_contexts += 1
        if n_contexts == 0:
            continue
        change[:] = 0
        if is_cbow:
            predicting, predicted = contexts[:n_contexts], kept[i : i + 1]
        else:
            predicting, predicted = kept[i : i + 1], contexts[:n_contexts]
        n_drawn = n_negative * predicted.shape[0]
        if not is_tree:  # their rows come from memory while the center's are gathered
            draw_words(noise, drawn[:n_drawn], state)
            for word in drawn[:n_drawn]:
                for d in range(0, dim, 16):
                    prefetch(w_out, np.int64(word) * dim + d)
        n_rows = offsets_of(dim, ends_in, rows_in, predicting, offsets)
        mean = np.float32(1.0 / n_rows)
        gather_mean(w_in, dim, offsets, n_rows, mean, hidden)
        n_predictions += predicted.shape[0]
        if is_tree:
            for word in predicted:
                n = path_targets(word, dim, ends, nodes, labels, targets, target_labels)
                n_padded = pad(targets, weights, n, missing_out)
                loss += hidden_step(
                    hidden, w_out, dim, targets, n_padded, target_labels, weights, True, exact,
                    learning_rate, logits, saved, change,
                )  # fmt: skip
        else:
            n, is_plain = distinct(predicted, dim, targets, weights)
            n_padded = pad_after(targets, weights, n, missing_out)
            loss += hidden_step(
                hidden, w_out, dim, targets, n_padded, ones, weights, is_plain, exact,
                learning_rate, logits, saved, change,
            )  # fmt: skip
            n, is_plain = distinct(
                others[: without(drawn[:n_drawn], predicted, others)], dim, targets, weights
            )
            n_padded = pad_after(targets, weights, n, missing_out)
            loss += hidden_step(
                hidden, w_out, dim, targets, n_padded, zeros, weights, is_plain, exact,
                learning_rate, logits, saved, change,
            )  # fmt: skip
        share = mean if corrected else _ONE
        for r in range(n_rows):
            if frozen.shape[0] == 0 or not frozen[offsets[r] // dim]:
                add_scaled(w_in, offsets[r], share, change, 0, dim)
    return loss, n_predictions


@njit(cache=True, nogil=True)
def offsets_of(dim, ends_in, rows_in, words, offsets):
    """Offsets in w_in of the rows of all `words`, written; returns how many."""
    n = 0
    for word in words:
        for r in range(ends_in[word], ends_in[word + 1]):
            offsets[n] = np.int64(rows_in[r]) * dim
            n += 1
    return n


@njit(cache=True, nogil=True)
def distinct(words, dim, targets, weights):
    """Offsets of the different words, each with how often it occurs.

    Returns how many, and whether each occurs once.
    """
    n = 0
    for word in words:
        for other in range(n):
            if targets[other] == np.int64(word) * dim:
                weights[other] += _ONE
                break
        else:
            targets[n] = np.int64(word) * dim
            weights[n] = _ONE
            n += 1
    return n, n == words.shape[0]


@njit(cache=True, nogil=True)
def draw_words(noise, drawn, state):
    """Fill `drawn`, int32, with noise words."""
    for t in range(drawn.shape[0]):
        word = random_below(noise.shape[0], state)
        if next_random(state) > noise[word, 0]:
            word = np.int64(noise[word, 1])
        drawn[t] = word


@njit(cache=True, nogil=True)
def without(drawn, words, others):
    """Write to `others` what of `drawn` is none of `words`; returns how many."""
    n = 0
    for word in drawn:
        is_true = False
        for other in words:
            is_true |= word == other
        if not is_true:
            others[n] = word
            n += 1
    return n


@njit(cache=True, nogil=True)
def pad(targets, weights, n, missing):
    """Weights of 1 for `n` targets and missing ones behind them; returns the padded number."""
    weights[:n] = _ONE
    return pad_after(targets, weights, n, missing)


@njit(cache=True, nogil=True)
def pad_after(targets, weights, n, missing):
    """Missing targets of weight 0 behind the first `n`; returns the padded number."""
    n_padded = padded(n, TARGETS_OF_ONE)
    targets[n:n_padded] = missing
    weights[n : n_padded + 8] = np.float32(0.0)
    return n_padded
