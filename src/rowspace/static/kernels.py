"""Numba kernels of word2vec: negative sampling and hierarchical softmax.

Mikolov et al. (2013b), https://arxiv.org/abs/1310.4546, in the batched form of Ji et al. (2016),
https://arxiv.org/abs/1604.04661: the context rows of one center word meet its target rows, the
center and one set of negatives for the whole window, in three small matrix products. With
hierarchical softmax, where the targets are the nodes on the center's path through the Huffman tree,
contexts meet them one after the other: see docs/decisions/kernel.md.

Shapes and names, here and below:

w_in, w_out : (n_rows * dim,) float32, the two matrices row by row. dim is a multiple of 16; behind
    the rows of words (or nodes) stands one of zeros, for a missing context or target, whose weight
    is 0; behind that one in w_in, one that takes what would be written to a frozen row
frozen      : (n_rows,) bool, rows of w_in that do not move; of length 0 where all do
tokens      : (n,) int32, word ids of this piece of text with SENTENCE_END between sentences
keep        : (n_words,) uint32, a token stays if a random 32-bit number is not above its entry
noise       : (n_words, 2) uint32, alias table of the noise distribution: threshold, alias; or of
    length 0, and then the targets are the tree's: those of word i are nodes[ends[i]:ends[i + 1]],
    int32 rows of w_out, with their labels, float32, 1 where the path turns left
state       : (1,) uint64, the random number generator's

One thread gives the same bits each time. More threads update the same matrices without locks
(Hogwild, Recht et al. 2011): rows that two threads write at once lose an update now and then.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from rowspace.static.simd import (
    divide,
    fma,
    load,
    load_splat,
    lowest,
    maximum,
    minimum,
    multiply,
    prefetch,
    product,
    splat,
    store,
    subtract,
    total,
)
from rowspace.text.scan_kernels import SENTENCE_END

CENTERS_AT_ONCE = 8  # that share their negatives in CBOW, as a window's contexts do in skip-gram
CONTEXTS_AT_ONCE = 2
TARGETS_AT_ONCE = 3
TARGETS_OF_ONE = 4  # of a hidden row, in `hidden_step`
MULTIPLIED = 72  # likelihoods over 1e-3 in eight products: 1e-27 each in float32, 1e-216 in all


@njit(cache=True, nogil=True, inline="always")
def next_random(state):
    """The next 32 random bits (xorshift64*, Marsaglia 2003, Vigna 2016)."""
    x = state[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    state[0] = x
    return np.uint32((x * np.uint64(2685821657736338717)) >> np.uint64(32))


@njit(cache=True, nogil=True, inline="always")
def random_below(n, state):
    """A random integer in [0, n), n < 2^32, by Lemire's multiplication."""
    return np.int64((np.uint64(next_random(state)) * np.uint64(n)) >> np.uint64(32))


@njit(cache=True, nogil=True)
def subsample(tokens, keep, begin, end, kept, is_center, sentence, state):
    """Throw away frequent words at random, before windows are drawn.

    kept      : (n,) int32, written: the ids that stay
    is_center : (n,) bool, written: whether it stands in tokens[begin:end], so that it is a center
    sentence  : (n,) int64, written: where in `kept` its sentence ends (set at each token)
    Returns how many stay.
    """
    n = 0
    first = 0
    for i in range(tokens.shape[0]):
        word = tokens[i]
        if word == SENTENCE_END:
            sentence[first:n] = n
            first = n
        elif next_random(state) <= keep[word]:
            kept[n] = word
            is_center[n] = begin <= i < end
            n += 1
    sentence[first:n] = n
    return n


@njit(cache=True, nogil=True)
def draw_targets(center, n_words, dim, noise, n_negative, targets, weights, state):
    """The center and its negatives, as offsets of rows in w_out, with their weights.

    A negative that is the center is dropped; one drawn twice counts twice.

    targets : int64, weights : float32, both written up to n_negative + 1
    Returns whether every weight is 1, as it nearly always is.
    """
    targets[0] = center * dim
    weights[0] = np.float32(1.0)
    is_plain = True
    for t in range(1, n_negative + 1):
        word = random_below(n_words, state)
        if next_random(state) > noise[word, 0]:
            word = np.int64(noise[word, 1])
        targets[t] = word * dim
        weights[t] = np.float32(1.0)
        for other in range(t):
            if targets[other] == targets[t]:
                is_plain = False
                targets[t] = n_words * dim
                weights[t] = np.float32(0.0)
                if other > 0:
                    weights[other] += np.float32(1.0)
                break
    return is_plain


@njit(cache=True, nogil=True, inline="always")
def sigmoid8(x):
    """Sigmoid of eight logits, (1 + tanh(x / 2)) / 2 with tanh as a ratio of polynomials.

    The minimax fit of Eigen's float32 tanh: the error is under 2e-7.
    """
    half = splat(np.float32(0.5))
    x = multiply(x, half)
    x = minimum(maximum(x, splat(np.float32(-7.9988))), splat(np.float32(7.9988)))
    s = multiply(x, x)
    p = splat(np.float32(-2.76076847742355e-16))
    p = fma(p, s, splat(np.float32(2.00018790482477e-13)))
    p = fma(p, s, splat(np.float32(-8.60467152213735e-11)))
    p = fma(p, s, splat(np.float32(5.12229709037114e-08)))
    p = fma(p, s, splat(np.float32(1.48572235717979e-05)))
    p = fma(p, s, splat(np.float32(6.37261928875436e-04)))
    p = fma(p, s, splat(np.float32(4.89352455891786e-03)))
    q = splat(np.float32(1.19825839466702e-06))
    q = fma(q, s, splat(np.float32(1.18534705686654e-04)))
    q = fma(q, s, splat(np.float32(2.26843463243900e-03)))
    q = fma(q, s, splat(np.float32(4.89352518554385e-03)))
    return fma(half, divide(multiply(x, p), q), half)


@njit(cache=True, nogil=True)
def sigmoid_exact(x):
    """1 / (1 + exp(-x)), in float64 and rounded."""
    return np.float32(1.0 / (1.0 + math.exp(-np.float64(x))))


@njit(cache=True, nogil=True)
def path_targets(center, dim, ends, nodes, labels, targets, target_labels):
    """The nodes on the center's path, as offsets of rows in w_out, and their labels.

    targets : int64, target_labels : float32, both written
    Returns how many.
    """
    first = ends[center]
    n = ends[center + 1] - first
    for t in range(n):
        targets[t] = nodes[first + t] * dim
        target_labels[t] = labels[first + t]
    return n


@njit(cache=True, nogil=True)
def train_piece(
    w_in, w_out, dim, missing, missing_out, frozen, tokens, begin, end, keep, noise, ends, nodes,
    labels, window, dynamic, n_negative, is_cbow, cbow_mean, cbow_classic, exact, learning_rate,
    state,
):  # fmt: skip
    """Train on every center word of tokens[begin:end]; the rest of `tokens` is only context.

    missing, missing_out : offsets in w_in and w_out of a row of zeros
    dynamic      : draw each window's reach from 1..window, else take all of it
    is_cbow      : predict the center from its contexts together, else from each (skip-gram)
    cbow_mean    : average the contexts, else sum them
    cbow_classic : do not divide the gradient where the forward pass divides (word2vec.c)
    exact        : sigmoid by exp, else by a ratio of polynomials
    Returns (sum of -log likelihoods, number of predictions of a center word).
    """
    n_tokens = tokens.shape[0]
    is_tree = noise.shape[0] == 0
    n_words = noise.shape[0]
    longest = n_negative + 1
    for word in range(ends.shape[0] - 1):
        longest = max(longest, ends[word + 1] - ends[word])
    most_targets = padded(longest, TARGETS_AT_ONCE * TARGETS_OF_ONE)
    max_pairs = padded(2 * window, CONTEXTS_AT_ONCE) * most_targets
    kept = np.empty(n_tokens, np.int32)
    is_center = np.empty(n_tokens, np.bool_)
    sentence = np.empty(n_tokens, np.int64)
    n_kept = subsample(tokens, keep, begin, end, kept, is_center, sentence, state)

    contexts = np.empty(2 * window + CONTEXTS_AT_ONCE, np.int64)
    writes = np.empty(2 * window + CONTEXTS_AT_ONCE, np.int64)
    hidden = np.zeros(dim, np.float32)  # CBOW's one row
    change = np.zeros(dim, np.float32)
    n_targets = n_negative + 1
    targets = np.full(most_targets, missing_out)
    upcoming = np.full(most_targets, missing_out)
    target_weights = np.zeros(most_targets, np.float32)
    target_labels = np.zeros(most_targets, np.float32)
    upcoming_weights = np.zeros(most_targets, np.float32)
    target_labels[0] = 1
    rows = np.empty(most_targets * dim, np.float32)
    logits = np.empty(max_pairs + 8, np.float32)
    saved = np.empty(max_pairs + 8, np.float32)
    pair_labels = np.zeros(max_pairs + 8, np.float32)
    weights = np.zeros(max_pairs + 8, np.float32)
    multiple = TARGETS_OF_ONE if is_cbow or is_tree else TARGETS_AT_ONCE
    n_padded = padded(n_targets, multiple)
    pair_labels[:max_pairs:n_padded] = 1
    all_once = np.zeros(max_pairs + 8, np.float32)
    for t in range(n_targets):
        all_once[t:max_pairs:n_padded] = 1

    loss = 0.0
    n_predictions = 0
    first = 0
    is_plain = True
    next_is_plain = True
    if n_kept > 0 and not is_tree:
        next_is_plain = draw_targets(
            kept[0], n_words, dim, noise, n_negative, upcoming, upcoming_weights, state
        )
    for i in range(n_kept):
        if i > 0 and sentence[i] != sentence[i - 1]:
            first = i
        if not is_tree:
            is_plain = next_is_plain
            for t in range(n_targets):
                targets[t] = upcoming[t]
                target_weights[t] = upcoming_weights[t]
        if i + 1 < n_kept:  # while this center is at work, the next one's rows come from memory
            if not is_tree:
                next_is_plain = draw_targets(
                    kept[i + 1], n_words, dim, noise, n_negative, upcoming, upcoming_weights, state
                )
                for t in range(n_targets):
                    for d in range(0, dim, 16):
                        prefetch(w_out, upcoming[t] + d)
            entering = kept[min(i + window + 2, n_kept - 1)] * dim
            for d in range(0, dim, 16):
                prefetch(w_in, entering + d)
        if not is_center[i]:
            continue
        reach = window - random_below(window, state) if dynamic else window
        n_contexts = 0
        for j in range(max(first, i - reach), min(sentence[i], i + reach + 1)):
            if j != i:
                contexts[n_contexts] = kept[j] * dim
                writes[n_contexts] = contexts[n_contexts]
                if frozen.shape[0] > 0 and frozen[kept[j]]:
                    writes[n_contexts] = missing + dim
                n_contexts += 1
        if n_contexts == 0:
            continue
        n_rows = 1 if is_cbow else n_contexts
        n_predictions += n_rows
        if is_tree:
            n_targets = path_targets(kept[i], dim, ends, nodes, labels, targets, target_labels)
            n_padded = padded(n_targets, multiple)
            targets[n_targets:n_padded] = missing_out
            for t in range(n_padded):
                pair_labels[t] = target_labels[t] if t < n_targets else 0.0
                all_once[t] = 1.0 if t < n_targets else 0.0
        elif not is_plain:
            for c in range(n_rows):
                for t in range(n_padded):
                    weights[c * n_padded + t] = target_weights[t]
        if is_cbow:
            scale = np.float32(1.0 / n_contexts) if cbow_mean else np.float32(1.0)
            gather_mean(w_in, dim, contexts, n_contexts, scale, hidden)
            change[:] = 0
            loss += hidden_step(
                hidden, w_out, dim, targets, n_padded, pair_labels,
                all_once if is_plain else weights, is_plain,
                exact, learning_rate, logits, saved, change,
            )  # fmt: skip
            share = np.float32(1.0) if cbow_classic else scale
            for c in range(n_contexts):
                if writes[c] == contexts[c]:
                    add_scaled(w_in, contexts[c], share, change, 0, dim)
        elif is_tree:
            for c in range(n_contexts):
                hidden[:] = w_in[contexts[c] : contexts[c] + dim]
                change[:] = 0
                loss += hidden_step(
                    hidden, w_out, dim, targets, n_padded, pair_labels, all_once, True, exact,
                    learning_rate, logits, saved, change,
                )  # fmt: skip
                if writes[c] == contexts[c]:
                    add_scaled(w_in, contexts[c], np.float32(1.0), change, 0, dim)
        else:
            loss += window_step(
                w_in, w_out, dim, contexts, writes, n_contexts, targets, n_padded, pair_labels,
                all_once if is_plain else weights, is_plain, missing,
                exact, learning_rate, rows, logits, saved,
            )  # fmt: skip
    return loss, n_predictions


@njit(cache=True, nogil=True)
def train_cbow_piece(
    w_in, w_out, dim, missing, missing_out, frozen, tokens, begin, end, keep, noise, window,
    dynamic, n_negative, mean, classic, exact, learning_rate, state,
):  # fmt: skip
    """CBOW with negative sampling, CENTERS_AT_ONCE centers sharing one set of negatives.

    Arguments and return value as in `train_piece`. One center of CBOW has a single hidden row, so
    sharing among its contexts, as skip-gram does, would save nothing; centers from as many places
    of the piece share instead. Neighbours would move the same context rows all at once, each as if
    it were alone, and the sum of their steps goes too far.
    """
    n_tokens = tokens.shape[0]
    n_words = noise.shape[0]
    kept = np.empty(n_tokens, np.int32)
    is_center = np.empty(n_tokens, np.bool_)
    sentence = np.empty(n_tokens, np.int64)
    n_kept = subsample(tokens, keep, begin, end, kept, is_center, sentence, state)

    width = 2 * window
    contexts = np.empty(CENTERS_AT_ONCE * width, np.int64)
    n_contexts = np.zeros(CENTERS_AT_ONCE, np.int64)
    scales = np.zeros(CENTERS_AT_ONCE, np.float32)
    centers = np.empty(CENTERS_AT_ONCE, np.int64)
    hidden = np.zeros((2 * CENTERS_AT_ONCE + 1) * dim, np.float32)  # before, after, a missing one
    from_center = np.zeros(CENTERS_AT_ONCE * dim, np.float32)
    hidden_rows = np.zeros(CENTERS_AT_ONCE + CONTEXTS_AT_ONCE, np.int64)
    hidden_writes = np.zeros(CENTERS_AT_ONCE + CONTEXTS_AT_ONCE, np.int64)
    n_padded = padded(n_negative, TARGETS_AT_ONCE)
    n_pairs = CENTERS_AT_ONCE * n_padded
    targets = np.full(n_padded + 1, missing_out)
    counts = np.zeros(n_padded + 1, np.float32)
    all_once = np.zeros(n_pairs + 8, np.float32)
    for t in range(n_negative):
        all_once[t:n_pairs:n_padded] = 1
    no_labels = np.zeros(n_pairs + 8, np.float32)
    weights = np.zeros(n_pairs + 8, np.float32)
    rows = np.empty(n_padded * dim, np.float32)
    logits = np.empty(n_pairs + 8, np.float32)
    saved = np.empty(n_pairs + 8, np.float32)
    steps = np.empty(CENTERS_AT_ONCE + 8, np.float32)
    ones = np.ones(CENTERS_AT_ONCE + 8, np.float32)

    first = np.empty(n_kept, np.int64)  # where its sentence begins
    for i in range(n_kept):
        first[i] = first[i - 1] if i > 0 and sentence[i] == sentence[i - 1] else i
    apart = (n_kept + CENTERS_AT_ONCE - 1) // CENTERS_AT_ONCE
    n_places = apart * CENTERS_AT_ONCE

    loss = 0.0
    n_predictions = 0
    n = 0  # centers gathered so far
    for place in range(n_places):
        i = place % CENTERS_AT_ONCE * apart + place // CENTERS_AT_ONCE
        if i < n_kept:
            entering = min(i + window + 1, n_kept - 1)
            for d in range(0, dim, 16):
                prefetch(w_in, kept[entering] * dim + d)
                prefetch(w_out, kept[min(i + 1, n_kept - 1)] * dim + d)
        if i < n_kept and is_center[i]:
            reach = window - random_below(window, state) if dynamic else window
            found = 0
            for j in range(max(first[i], i - reach), min(sentence[i], i + reach + 1)):
                if j != i:
                    contexts[n * width + found] = kept[j] * dim
                    found += 1
            if found > 0:
                n_contexts[n] = found
                scales[n] = np.float32(1.0 / found) if mean else np.float32(1.0)
                centers[n] = kept[i] * dim
                n += 1
        if n == 0 or (n < CENTERS_AT_ONCE and place < n_places - 1):
            continue

        is_plain = draw_negatives(
            centers, n, n_words, dim, missing_out, noise, n_negative, targets, counts, weights,
            n_padded, state,
        )  # fmt: skip
        for b in range(n):
            gather_mean(
                w_in, dim, contexts[b * width :], n_contexts[b], scales[b], hidden[b * dim :]
            )
            hidden_rows[b] = b * dim
            hidden_writes[b] = (CENTERS_AT_ONCE + b) * dim
            steps[b] = dot(hidden, b * dim, w_out, centers[b], dim)
        loss += logits_to_steps(steps, n, ones, ones, True, exact, learning_rate, saved)
        for b in range(n):
            scaled(w_out, centers[b], steps[b], from_center, b * dim, dim)
        loss += window_step(
            hidden, w_out, dim, hidden_rows, hidden_writes, n, targets, n_padded, no_labels,
            all_once if is_plain else weights, is_plain, 2 * CENTERS_AT_ONCE * dim,
            exact, learning_rate, rows, logits, saved,
        )  # fmt: skip
        for b in range(n):
            share = np.float32(1.0) if classic else scales[b]
            change_of_hidden(hidden, b * dim, hidden_writes[b], from_center, share, dim)
            add_scaled(w_out, centers[b], steps[b], hidden, b * dim, dim)
            for c in range(b * width, b * width + n_contexts[b]):
                if frozen.shape[0] == 0 or not frozen[contexts[c] // dim]:
                    add_scaled(w_in, contexts[c], np.float32(1.0), from_center, b * dim, dim)
        n_predictions += n
        n = 0
    return loss, n_predictions


@njit(cache=True, nogil=True)
def draw_negatives(
    centers, n, n_words, dim, missing, noise, n_negative, targets, counts, weights, n_padded, state
):  # fmt: skip
    """Negatives for `n` centers, as offsets of rows in w_out, and their weight for each center.

    targets : (n_padded,) int64 and weights : (n * n_padded,) float32, written. One drawn twice
              counts twice; for the center that equals it, it does not count.
    Returns whether every weight is 1.
    """
    is_plain = True
    for t in range(n_negative):
        word = random_below(n_words, state)
        if next_random(state) > noise[word, 0]:
            word = np.int64(noise[word, 1])
        targets[t] = word * dim
        counts[t] = np.float32(1.0)
        for other in range(t):
            if targets[other] == targets[t]:
                counts[other] += np.float32(1.0)
                targets[t] = missing
                counts[t] = np.float32(0.0)
                is_plain = False
                break
        for b in range(n):
            if centers[b] == targets[t]:
                is_plain = False
    if not is_plain:
        for b in range(n):
            for t in range(n_negative):
                weights[b * n_padded + t] = (
                    counts[t] if targets[t] != centers[b] else np.float32(0.0)
                )
    return is_plain


@njit(cache=True, nogil=True, inline="always")
def dot(x, x_at, y, y_at, dim):
    """The inner product of two rows."""
    s0, s1 = splat(np.float32(0.0)), splat(np.float32(0.0))
    for d in range(0, dim, 16):
        s0 = fma(load(x, x_at + d), load(y, y_at + d), s0)
        s1 = fma(load(x, x_at + d + 8), load(y, y_at + d + 8), s1)
    return total(fma(s0, splat(np.float32(1.0)), s1))


@njit(cache=True, nogil=True, inline="always")
def scaled(x, x_at, factor, y, y_at, dim):
    """Write factor * x to the row of y."""
    f = splat(np.float32(factor))
    for d in range(0, dim, 8):
        store(y, y_at + d, multiply(f, load(x, x_at + d)))


@njit(cache=True, nogil=True, inline="always")
def add_scaled(y, y_at, factor, x, x_at, dim):
    """Add factor * x to the row of y."""
    f = splat(np.float32(factor))
    for d in range(0, dim, 8):
        store(y, y_at + d, fma(f, load(x, x_at + d), load(y, y_at + d)))


@njit(cache=True, nogil=True, inline="always")
def change_of_hidden(hidden, before, after, change, share, dim):
    """change[before:] = share * (change + hidden after - hidden before), a row each."""
    f = splat(np.float32(share))
    for d in range(0, dim, 8):
        moved = subtract(load(hidden, after + d), load(hidden, before + d))
        both = fma(f, moved, multiply(f, load(change, before + d)))
        store(change, before + d, both)


@njit(cache=True, nogil=True)
def gather_mean(w_in, dim, contexts, n_contexts, scale, hidden):
    """hidden[:dim] = scale * the sum of the rows at the offsets `contexts`."""
    factor = splat(np.float32(scale))
    for d in range(0, dim, 16):
        s0, s1 = splat(np.float32(0.0)), splat(np.float32(0.0))
        for c in range(n_contexts):
            s0 = fma(load(w_in, contexts[c] + d), factor, s0)
            s1 = fma(load(w_in, contexts[c] + d + 8), factor, s1)
        store(hidden, d, s0)
        store(hidden, d + 8, s1)


@njit(cache=True, nogil=True)
def hidden_step(
    hidden, w_out, dim, targets, n_targets, labels, weights, is_plain, exact, learning_rate,
    logits, saved, change,
):  # fmt: skip
    """One update for a hidden row against its targets; the row's own change is left to add.

    With e = weights * (labels - sigmoid(Y hidden)):  change += lr Yᵀ e,  Y += lr e hiddenᵀ.

    hidden, change : (dim,) float32
    targets        : int64 offsets of rows in w_out, all different or missing; n_targets is a
                     multiple of TARGETS_OF_ONE
    labels, weights, is_plain, logits, saved : as in `logits_to_steps`
    Returns the sum of -log likelihoods.
    """
    for t in range(0, n_targets, 4):
        y0, y1, y2, y3 = targets[t], targets[t + 1], targets[t + 2], targets[t + 3]
        zero = splat(np.float32(0.0))
        s0, s1, s2, s3 = zero, zero, zero, zero
        for d in range(0, dim, 8):
            h = load(hidden, d)
            s0, s1 = fma(h, load(w_out, y0 + d), s0), fma(h, load(w_out, y1 + d), s1)
            s2, s3 = fma(h, load(w_out, y2 + d), s2), fma(h, load(w_out, y3 + d), s3)
        logits[t], logits[t + 1], logits[t + 2], logits[t + 3] = (
            total(s0), total(s1), total(s2), total(s3),
        )  # fmt: skip

    loss = logits_to_steps(
        logits, n_targets, labels, weights, is_plain, exact, learning_rate, saved
    )
    for d in range(0, dim, 16):
        h0, h1 = load(hidden, d), load(hidden, d + 8)
        c0, c1 = load(change, d), load(change, d + 8)
        for t in range(n_targets):
            at = targets[t] + d
            e = load_splat(logits, t)
            y0, y1 = load(w_out, at), load(w_out, at + 8)
            c0, c1 = fma(e, y0, c0), fma(e, y1, c1)
            store(w_out, at, fma(e, h0, y0))
            store(w_out, at + 8, fma(e, h1, y1))
        store(change, d, c0)
        store(change, d + 8, c1)
    return loss


@njit(cache=True, nogil=True, inline="always")
def padded(n, multiple):
    """The smallest multiple that is not below `n`."""
    return (n + multiple - 1) // multiple * multiple


@njit(cache=True, nogil=True)
def window_step(
    w_in, w_out, dim, contexts, writes, n_contexts, targets, n_targets, labels, weights, is_plain,
    missing, exact, learning_rate, rows, logits, saved,
):  # fmt: skip
    """One update for a center word: all its contexts against all its targets, in place.

    With X the context rows of w_in, Y the target rows of w_out, both as they were before the
    step, and E = weights * (labels - sigmoid(X Yᵀ)):  X += lr E Y,  Y += lr Eᵀ X.

    contexts : int64 row offsets, room for an even number;  writes : where each is written, which
               differs for a frozen row;  targets : int64, n_targets a multiple of three
    missing  : offset in w_in of a row of zeros;  rows : (n_targets * dim,) float32 scratch for Y
    labels, weights, is_plain, logits, saved : as in `logits_to_steps`, a row a context; `logits`
               holds X Yᵀ, then lr E
    Returns the sum of -log likelihoods.
    """
    window_logits(
        w_in, w_out, dim, contexts, writes, n_contexts, targets, n_targets, missing, rows, logits
    )
    loss = logits_to_steps(
        logits, n_contexts * n_targets, labels, weights, is_plain, exact, learning_rate, saved
    )
    window_update(
        w_in, w_out, dim, contexts, writes, n_contexts, targets, n_targets, missing, rows, logits
    )
    return loss


@njit(cache=True, nogil=True)
def window_logits(
    w_in, w_out, dim, contexts, writes, n_contexts, targets, n_targets, missing, rows, logits
):
    """The first part of `window_step`: logits = X Yᵀ, and a copy of Y in `rows`."""
    if n_contexts % 2 == 1:
        contexts[n_contexts] = missing
        writes[n_contexts] = missing
    for t in range(n_targets):
        for d in range(0, dim, 8):
            store(rows, t * dim + d, load(w_out, targets[t] + d))

    # X Yᵀ, two contexts and three targets at a time: six sums stay in registers.
    for c in range(0, n_contexts, 2):
        x0, x1 = contexts[c], contexts[c + 1]
        for t in range(0, n_targets, 3):
            y0, y1, y2 = t * dim, (t + 1) * dim, (t + 2) * dim
            zero = splat(np.float32(0.0))
            s00, s01, s02, s10, s11, s12 = zero, zero, zero, zero, zero, zero
            for d in range(0, dim, 8):
                a0, a1 = load(w_in, x0 + d), load(w_in, x1 + d)
                b0, b1, b2 = load(rows, y0 + d), load(rows, y1 + d), load(rows, y2 + d)
                s00, s01, s02 = fma(a0, b0, s00), fma(a0, b1, s01), fma(a0, b2, s02)
                s10, s11, s12 = fma(a1, b0, s10), fma(a1, b1, s11), fma(a1, b2, s12)
            at = c * n_targets + t
            logits[at], logits[at + 1], logits[at + 2] = total(s00), total(s01), total(s02)
            at += n_targets
            logits[at], logits[at + 1], logits[at + 2] = total(s10), total(s11), total(s12)


@njit(cache=True, nogil=True)
def window_update(
    w_in, w_out, dim, contexts, writes, n_contexts, targets, n_targets, missing, rows, steps
):
    """The last part of `window_step`: X += E Y, Y += Eᵀ X, with E the steps (overwritten)."""
    # Y += lr Eᵀ X, while X is still what it was.
    for t in range(0, n_targets, 3):
        y0, y1, y2 = targets[t], targets[t + 1], targets[t + 2]
        for d in range(0, dim, 16):
            s00, s01 = load(rows, t * dim + d), load(rows, t * dim + d + 8)
            s10, s11 = load(rows, (t + 1) * dim + d), load(rows, (t + 1) * dim + d + 8)
            s20, s21 = load(rows, (t + 2) * dim + d), load(rows, (t + 2) * dim + d + 8)
            for c in range(n_contexts):
                at = c * n_targets + t
                a0, a1 = load(w_in, contexts[c] + d), load(w_in, contexts[c] + d + 8)
                e0, e1, e2 = (
                    load_splat(steps, at),
                    load_splat(steps, at + 1),
                    load_splat(steps, at + 2),
                )
                s00, s01 = fma(e0, a0, s00), fma(e0, a1, s01)
                s10, s11 = fma(e1, a0, s10), fma(e1, a1, s11)
                s20, s21 = fma(e2, a0, s20), fma(e2, a1, s21)
            store(w_out, y0 + d, s00)
            store(w_out, y0 + d + 8, s01)
            store(w_out, y1 + d, s10)
            store(w_out, y1 + d + 8, s11)
            store(w_out, y2 + d, s20)
            store(w_out, y2 + d + 8, s21)

    # X += lr E Y. A word that stands twice in the window gets both steps.
    for c in range(0, n_contexts, 2):
        x0, x1 = contexts[c], contexts[c + 1]
        to0, to1 = writes[c], writes[c + 1]
        at0, at1 = c * n_targets, (c + 1) * n_targets
        if c + 1 == n_contexts:
            steps[at1 : at1 + n_targets] = 0
        elif x0 == x1:
            for t in range(n_targets):
                steps[at0 + t] += steps[at1 + t]
                steps[at1 + t] = 0
            x1, to1 = missing, missing
        for d in range(0, dim, 16):
            s00, s01 = load(w_in, x0 + d), load(w_in, x0 + d + 8)
            s10, s11 = load(w_in, x1 + d), load(w_in, x1 + d + 8)
            for t in range(n_targets):
                b0, b1 = load(rows, t * dim + d), load(rows, t * dim + d + 8)
                e0, e1 = load_splat(steps, at0 + t), load_splat(steps, at1 + t)
                s00, s01 = fma(e0, b0, s00), fma(e0, b1, s01)
                s10, s11 = fma(e1, b0, s10), fma(e1, b1, s11)
            store(w_in, to0 + d, s00)
            store(w_in, to0 + d + 8, s01)
            store(w_in, to1 + d, s10)
            store(w_in, to1 + d + 8, s11)


@njit(cache=True, nogil=True)
def logits_to_steps(logits, n, labels, weights, is_plain, exact, learning_rate, saved):
    """Replace logits by lr * weight * (label - sigmoid), and sum the loss.

    logits   : (n,) float32 and room for 8 more;  saved : scratch of that size
    labels   : 1 for a true pair, else 0;  weights : how often a pair counts; sized like logits
    is_plain : whether every weight is 0 or 1
    Returns the sum of -log likelihoods over the pairs. The likelihoods of the pairs are
    multiplied before one logarithm is taken; where that would lose digits, each has its own.
    """
    one = splat(np.float32(1.0))
    zero = splat(np.float32(0.0))
    certain = fma(splat(np.float32(200.0)), load(labels, n), splat(np.float32(-100.0)))
    store(logits, n, certain)  # lanes behind the last pair: no error, likelihood 1
    rate = splat(np.float32(learning_rate))
    loss = 0.0
    for first in range(0, n, MULTIPLIED):
        last = min(first + MULTIPLIED, n)
        likelihoods = one
        smallest = one
        for j in range(first, last, 8):
            x = load(logits, j)
            store(saved, j, x)
            if exact:
                for i in range(j, j + 8):
                    logits[i] = sigmoid_exact(logits[i])
                probability = load(logits, j)
            else:
                probability = sigmoid8(x)
            error = multiply(load(weights, j), subtract(load(labels, j), probability))
            likelihood = subtract(one, maximum(error, subtract(zero, error)))
            smallest = minimum(smallest, likelihood)
            likelihoods = multiply(likelihoods, likelihood)
            store(logits, j, multiply(rate, error))
        if is_plain and lowest(smallest) > np.float32(1e-3):
            loss -= math.log(product(likelihoods))
        else:
            for i in range(first, last):
                loss += weights[i] * softplus(saved[i] if labels[i] == 0 else -saved[i])
    return loss


@njit(cache=True, nogil=True)
def softplus(x):
    """log(1 + exp(x)), for any x: -log sigmoid(-x)."""
    x = np.float64(x)
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))
