"""Numba kernels of fastText: a word is the mean of its own row and its n-grams' rows.

Bojanowski et al. (2017), https://aclanthology.org/Q17-1010. Shapes and names are those of
`static.kernels`, and:

ends_in, rows_in : (n_words + 1,) int64 and (total,) int32; word i has the rows
    rows_in[ends_in[i] : ends_in[i + 1]] of w_in, its own first
hidden           : the mean of the rows of the words that predict (the center in skip-gram, all of
    its contexts in CBOW); one a center

fastText gathers and changes those rows, twenty or more, anew for each word of the window, and
draws negatives for each. Here that is done once a center, and some centers that follow each
other share one larger set of negatives, each weighted so that their number is right on average.
They come in steps of NEGATIVES_AT_ONCE and a share of the words to predict; between two steps the
hidden rows move as their words' rows will: see docs/decisions/subwords.md.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from rowspace.static.kernels import (
    CONTEXTS_AT_ONCE,
    TARGETS_OF_ONE,
    add_scaled,
    dot,
    gather_mean,
    hidden_step,
    logits_to_steps,
    next_random,
    padded,
    path_targets,
    random_below,
    sigmoid8,
    sigmoid_exact,
    softplus,
    subsample,
    window_logits,
    window_update,
)
from rowspace.static.simd import (
    fma,
    load,
    multiply,
    prefetch,
    splat,
    store,
    subtract,
)

NEGATIVES_AT_ONCE = 6  # of a step, a multiple of TARGETS_AT_ONCE
_ONE = np.float32(1.0)
_ZERO = np.float32(0.0)


@njit(cache=True, nogil=True)
def train_subword_piece(
    w_in, w_out, dim, missing_out, frozen, tokens, begin, end, keep, noise, ends_in, rows_in,
    window, dynamic, n_negative, n_shared, n_centers, is_cbow, corrected, exact, learning_rate,
    state,
):  # fmt: skip
    """Train with negative sampling on every center word of tokens[begin:end].

    n_negative : noise words that each predicted word counts for
    n_shared   : noise words drawn for `n_centers` centers that follow each other, a multiple
                 of NEGATIVES_AT_ONCE; one that is not among a center's predicted words has, for
                 each of them, the weight n_negative / n_shared
    is_cbow    : predict the center from the mean of all its contexts' rows, else (skip-gram) each
                 context from the mean of the center's rows
    corrected  : divide the gradient as the mean does; fastText does not
    Others and the return value: as in `kernels.train_piece`.
    """
    n_tokens = tokens.shape[0]
    kept = np.empty(n_tokens, np.int32)
    is_center = np.empty(n_tokens, np.bool_)
    sentence = np.empty(n_tokens, np.int64)
    n_kept = subsample(tokens, keep, begin, end, kept, is_center, sentence, state)

    width = 2 * window
    offsets = np.empty(most_rows(ends_in) * (width if is_cbow else 1), np.int64)
    contexts = np.empty((n_centers, width), np.int32)
    n_contexts = np.zeros(n_centers, np.int64)
    places = np.empty(n_centers, np.int64)
    hidden = np.zeros((2 * n_centers + 1) * dim, np.float32)  # now, after a step, a missing one
    changes = np.empty(n_centers * dim, np.float32)
    moved = np.empty(n_centers * dim, np.float32)
    hidden_rows = np.zeros(n_centers + CONTEXTS_AT_ONCE, np.int64)
    hidden_writes = np.zeros(n_centers + CONTEXTS_AT_ONCE, np.int64)
    shares = np.empty(n_centers, np.float32)
    moves = np.empty(n_centers, np.float32)  # of each row for a change of the hidden row
    follows = np.empty(n_centers, np.float32)  # and of the hidden row by those
    missing = 2 * n_centers * dim

    size = n_centers * max(width, NEGATIVES_AT_ONCE) + NEGATIVES_AT_ONCE + 8
    pairs = np.empty(size, np.int64)  # of words to predict: offset of the hidden row, of the word's
    positives = np.empty(size, np.int64)
    ones = np.ones(size, np.float32)
    logits = np.empty(size, np.float32)
    saved = np.empty(2 * size, np.float32)
    weights = np.zeros(size, np.float32)
    drawn = np.empty(n_shared, np.int64)
    counts = np.empty(n_shared, np.float32)
    rows = np.empty(NEGATIVES_AT_ONCE * dim, np.float32)
    likelihoods = np.empty(n_centers, np.float64)
    n_steps = n_shared // NEGATIVES_AT_ONCE

    loss = 0.0
    n_predictions = 0
    first = 0
    n = 0  # centers gathered so far
    for i in range(n_kept):
        if i > 0 and sentence[i] != sentence[i - 1]:
            first = i
        if is_center[i]:
            reach = window - random_below(window, state) if dynamic else window
            n_contexts[n] = window_of(kept, i, first, sentence[i], reach, contexts[n])
            if n_contexts[n] > 0:
                places[n] = i
                n += 1
        if n == 0 or (n < n_centers and i < n_kept - 1):
            continue

        draw_shared(noise, dim, missing_out, drawn, counts, state)
        prefetch_rows(w_out, dim, drawn, n_shared)
        for b in range(n):
            # The rows of the center so many ahead come from memory while this one is at work.
            ahead = min(places[b] + n_centers, n_kept - 1)
            prefetch_word(w_in, dim, ends_in, rows_in, kept[ahead])
            entering = min(places[b] + n_centers + window, n_kept - 1)
            for d in range(0, dim, 16):
                prefetch(w_out, np.int64(kept[entering]) * dim + d)
            center = kept[places[b] : places[b] + 1]
            around = contexts[b, : n_contexts[b]]
            predicting, predicted = (around, center) if is_cbow else (center, around)
            n_predictions += predicted.shape[0]
            n_rows = offsets_of(dim, ends_in, rows_in, predicting, offsets)
            gather_mean(w_in, dim, offsets, n_rows, np.float32(1.0 / n_rows), hidden[b * dim :])
            hidden_rows[b] = b * dim
            hidden_writes[b] = (n_centers + b) * dim
            shares[b] = np.float32(n_negative * predicted.shape[0] / n_shared)
            moves[b] = np.float32(1.0 / n_rows) if corrected else _ONE
            follows[b] = moves[b] * share_that_moves(frozen, offsets, n_rows, dim)
            likelihoods[b] = 1.0
        changes[: n * dim] = _ZERO
        for step in range(n_steps):
            noise_words = slice(step * NEGATIVES_AT_ONCE, (step + 1) * NEGATIVES_AT_ONCE)
            n_pairs = 0
            for b in range(n):
                center = kept[places[b] : places[b] + 1]
                predicted = center if is_cbow else contexts[b, : n_contexts[b]]
                weigh(
                    drawn[noise_words], counts[noise_words], predicted, dim, shares[b],
                    weights[b * NEGATIVES_AT_ONCE :],
                )  # fmt: skip
                n_predicted = predicted.shape[0]
                for p in range(n_predicted * step // n_steps, n_predicted * (step + 1) // n_steps):
                    pairs[n_pairs] = b * dim
                    positives[n_pairs] = np.int64(predicted[p]) * dim
                    logits[n_pairs] = dot(hidden, b * dim, w_out, positives[n_pairs], dim)
                    n_pairs += 1
            loss += logits_to_steps(logits, n_pairs, ones, ones, True, exact, learning_rate, saved)
            moved[: n * dim] = _ZERO
            for p in range(n_pairs):
                add_scaled(moved, pairs[p], logits[p], w_out, positives[p], dim)
                add_scaled(w_out, positives[p], logits[p], hidden, pairs[p], dim)
            window_logits(
                hidden, w_out, dim, hidden_rows, hidden_writes, n, drawn[noise_words],
                NEGATIVES_AT_ONCE, missing, rows, logits,
            )  # fmt: skip
            loss += noise_steps(
                logits, n, weights, shares, likelihoods, exact, learning_rate, saved
            )
            window_update(
                hidden, w_out, dim, hidden_rows, hidden_writes, n, drawn[noise_words],
                NEGATIVES_AT_ONCE, missing, rows, logits,
            )  # fmt: skip
            for b in range(n):
                move_hidden(hidden, b * dim, hidden_writes[b], follows[b], moved, changes, dim)
        for b in range(n):
            loss -= shares[b] * math.log(likelihoods[b])
            center = kept[places[b] : places[b] + 1]
            predicting = contexts[b, : n_contexts[b]] if is_cbow else center
            n_rows = offsets_of(dim, ends_in, rows_in, predicting, offsets)
            add_to_rows(w_in, dim, frozen, offsets, n_rows, moves[b], changes, b * dim)
        n = 0
    return loss, n_predictions


@njit(cache=True, nogil=True, inline="always")
def move_hidden(hidden, now, after, move, moved, changes, dim):
    """changes += moved + (hidden after - now), and the row now moves by `move` times that."""
    one, factor = splat(_ONE), splat(move)
    for d in range(0, dim, 8):
        x = load(hidden, now + d)
        both = fma(one, load(moved, now + d), subtract(load(hidden, after + d), x))
        store(changes, now + d, fma(one, both, load(changes, now + d)))
        store(hidden, now + d, fma(factor, both, x))


@njit(cache=True, nogil=True)
def train_subword_tree_piece(
    w_in, w_out, dim, missing_out, frozen, tokens, begin, end, keep, ends, nodes, labels, ends_in,
    rows_in, window, dynamic, is_cbow, corrected, exact, learning_rate, state,
):  # fmt: skip
    """Train with hierarchical softmax on every center word of tokens[begin:end].

    Arguments and return value as in `train_subword_piece` and `kernels.train_piece`.
    """
    n_tokens = tokens.shape[0]
    kept = np.empty(n_tokens, np.int32)
    is_center = np.empty(n_tokens, np.bool_)
    sentence = np.empty(n_tokens, np.int64)
    n_kept = subsample(tokens, keep, begin, end, kept, is_center, sentence, state)

    size = padded(most_rows(ends), 8) + 8
    offsets = np.empty(most_rows(ends_in) * (2 * window if is_cbow else 1), np.int64)
    contexts = np.empty(2 * window, np.int32)
    hidden = np.zeros(dim, np.float32)
    change = np.zeros(dim, np.float32)
    targets = np.full(size, missing_out)
    target_labels = np.zeros(size, np.float32)
    weights = np.zeros(size, np.float32)
    logits = np.empty(size, np.float32)
    saved = np.empty(size, np.float32)

    loss = 0.0
    n_predictions = 0
    first = 0
    for i in range(n_kept):
        if i > 0 and sentence[i] != sentence[i - 1]:
            first = i
        if i + 1 < n_kept:  # the next center's rows come from memory meanwhile
            prefetch_word(w_in, dim, ends_in, rows_in, kept[i + 1])
        if not is_center[i]:
            continue
        reach = window - random_below(window, state) if dynamic else window
        n_contexts = window_of(kept, i, first, sentence[i], reach, contexts)
        if n_contexts == 0:
            continue
        around, center = contexts[:n_contexts], kept[i : i + 1]
        predicting, predicted = (around, center) if is_cbow else (center, around)
        n_rows = offsets_of(dim, ends_in, rows_in, predicting, offsets)
        mean = np.float32(1.0 / n_rows)
        gather_mean(w_in, dim, offsets, n_rows, mean, hidden)
        n_predictions += predicted.shape[0]
        change[:] = _ZERO
        for word in predicted:
            n = path_targets(word, dim, ends, nodes, labels, targets, target_labels)
            weights[:n] = _ONE
            loss += hidden_step(
                hidden, w_out, dim, targets, pad_after(targets, weights, n, missing_out),
                target_labels, weights, True, exact, learning_rate, logits, saved, change,
            )  # fmt: skip
        move = mean if corrected else _ONE
        add_to_rows(w_in, dim, frozen, offsets, n_rows, move, change, 0)
    return loss, n_predictions


@njit(cache=True, nogil=True)
def most_rows(ends):
    """The most that one word has, of rows or nodes."""
    most = 1
    for word in range(ends.shape[0] - 1):
        most = max(most, ends[word + 1] - ends[word])
    return most


@njit(cache=True, nogil=True, inline="always")
def window_of(kept, i, first, last, reach, contexts):
    """The words of kept[first:last] up to `reach` from the i-th, written; returns how many."""
    n = 0
    for j in range(max(first, i - reach), min(last, i + reach + 1)):
        if j != i:
            contexts[n] = kept[j]
            n += 1
    return n


@njit(cache=True, nogil=True, inline="always")
def prefetch_rows(matrix, dim, offsets, n):
    """Ask for `n` rows, to be written soon."""
    for t in range(n):
        for d in range(0, dim, 16):
            prefetch(matrix, offsets[t] + d)


@njit(cache=True, nogil=True, inline="always")
def prefetch_word(w_in, dim, ends_in, rows_in, word):
    """Ask for all rows of a word."""
    for r in range(ends_in[word], ends_in[word + 1]):
        for d in range(0, dim, 16):
            prefetch(w_in, np.int64(rows_in[r]) * dim + d)


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
def share_that_moves(frozen, offsets, n_rows, dim):
    """Which share of the rows is not frozen."""
    if frozen.shape[0] == 0:
        return _ONE
    n = 0
    for r in range(n_rows):
        n += not frozen[offsets[r] // dim]
    return np.float32(n / n_rows)


@njit(cache=True, nogil=True, inline="always")
def add_to_rows(w_in, dim, frozen, offsets, n_rows, move, change, at):
    """Add move * change[at : at + dim] to the rows that are not frozen."""
    for r in range(n_rows):
        if frozen.shape[0] == 0 or not frozen[offsets[r] // dim]:
            add_scaled(w_in, offsets[r], move, change, at, dim)


@njit(cache=True, nogil=True)
def draw_shared(noise, dim, missing, drawn, counts, state):
    """Fill `drawn`, int64, with offsets of noise words, in a step all different or missing.

    counts : float32, written: how often each was drawn for its step
    """
    for t in range(drawn.shape[0]):
        word = random_below(noise.shape[0], state)
        if next_random(state) > noise[word, 0]:
            word = np.int64(noise[word, 1])
        drawn[t] = word * dim
        counts[t] = _ONE
        for other in range(t // NEGATIVES_AT_ONCE * NEGATIVES_AT_ONCE, t):
            if drawn[other] == drawn[t]:
                counts[other] += _ONE
                counts[t] = _ZERO
                drawn[t] = missing
                break


@njit(cache=True, nogil=True)
def weigh(drawn, counts, predicted, dim, share, weights):
    """What each noise word of a step counts for one center: nothing if the center predicts it.

    weights : float32, written: else `share` for each time that it was drawn
    """
    for t in range(drawn.shape[0]):
        weights[t] = share * counts[t]
    for word in predicted:
        offset = np.int64(word) * dim
        for t in range(drawn.shape[0]):
            if drawn[t] == offset:
                weights[t] = _ZERO


@njit(cache=True, nogil=True)
def noise_steps(logits, n, weights, shares, likelihoods, exact, learning_rate, saved):
    """Replace the logits of noise words by -lr * weight * sigmoid, and take their likelihoods.

    logits, weights : (n * NEGATIVES_AT_ONCE,) float32, a row a center, and room for 8 more
    saved       : scratch, twice that size
    shares      : (n,) float32, the weight of most in each row
    likelihoods : (n,) float64, multiplied by the likelihoods of those, 1 - sigmoid, if that loses
                  no digits
    Returns the sum of -weight log(1 - sigmoid) of the others.
    """
    one = splat(_ONE)
    rate = splat(np.float32(-learning_rate))
    n_pairs = n * NEGATIVES_AT_ONCE
    behind = n_pairs + 8  # where the likelihoods are saved, behind the logits
    store(weights, n_pairs, splat(_ZERO))
    for j in range(0, n_pairs, 8):
        x = load(logits, j)
        store(saved, j, x)
        if exact:
            for k in range(j, j + 8):
                logits[k] = sigmoid_exact(logits[k])
            probability = load(logits, j)
        else:
            probability = sigmoid8(x)
        store(saved, behind + j, subtract(one, probability))
        store(logits, j, multiply(rate, multiply(load(weights, j), probability)))
    loss = 0.0
    for b in range(n):
        product = np.float64(1.0)
        for j in range(b * NEGATIVES_AT_ONCE, (b + 1) * NEGATIVES_AT_ONCE):
            if weights[j] == shares[b] and saved[behind + j] > np.float32(1e-3):
                product *= saved[behind + j]
            elif weights[j] > _ZERO:
                loss += weights[j] * softplus(saved[j])
        likelihoods[b] *= product
        if likelihoods[b] < 1e-200:
            loss -= shares[b] * math.log(likelihoods[b])
            likelihoods[b] = 1.0
    return loss


@njit(cache=True, nogil=True)
def pad_after(targets, weights, n, missing):
    """Missing targets of weight 0 behind the first `n`; returns the padded number."""
    n_padded = padded(n, TARGETS_OF_ONE)
    targets[n:n_padded] = missing
    weights[n : n_padded + 8] = _ZERO
    return n_padded
