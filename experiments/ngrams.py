"""What the last few characters tell about the next: n-gram baselines."""

import math

import numpy as np

_MAX_ENTRIES = 2**25
# Where no count is 1 there is nothing to estimate the discount from.
_DEFAULT_DISCOUNT = 0.5


def kneser_ney(codes: np.ndarray, order: int, num_classes: int) -> np.ndarray:
  """Fits an n-gram model, smoothed by interpolated Kneser-Ney.

      p(x | h) = (max(c(h, x) - D, 0) + D * t(h) * p(x | h')) / c(h)

  where `t(h)` counts the distinct symbols seen after the context `h`, and `h'`
  is `h` without its first symbol. Of the whole context, `c` counts occurrences;
  of shorter ones, distinct symbols before `(h, x)`, for that is what a shorter
  context is asked when a longer one knows too little. The shortest one falls
  back on uniform symbols, an unseen one on `p(x | h')`. At each order `D` is
  `n_1 / (n_1 + 2 * n_2)`, with `n_i` the number of counts that are `i`.

  Args:
    codes: Integer codes from 0 to `K - 1`, shape `[size]`.
    order: `n`: symbols of an n-gram, of which `n - 1` are the context.
    num_classes: Number of symbols `K`.

  Returns:
    float64 array, shape `[K] * order`: the probability of the last index given
    all before, positive everywhere.

  Raises:
    ValueError: If `order` is below 1 or has more than `2**25` n-grams, or
      `codes` is shorter than it or out of range.

  Example:
    >>> probs = kneser_ney(np.array([0, 1, 0, 1, 0, 2]), 2, num_classes=3)
    >>> probs.round(2).tolist()  # After 0 comes 1; after 2 came nothing.
    [[0.17, 0.58, 0.25], [0.83, 0.08, 0.08], [0.33, 0.33, 0.33]]

  References:
    Stanley F. Chen, Joshua Goodman. An Empirical Study of Smoothing Techniques
    for Language Modeling. Computer Speech and Language, 1999.
    https://doi.org/10.1006/csla.1999.0128. Section 2.7, in its interpolated
    form.
  """
  if order < 1 or num_classes**order > _MAX_ENTRIES:
    raise ValueError(
        f'Expected an `order` from 1, of at most {_MAX_ENTRIES} n-grams; '
        f'received {num_classes}**{order}.'
    )
  probs = np.full([1, num_classes], 1 / num_classes)
  for length in range(1, order):
    longer = _counts(codes, length + 1, num_classes)
    preceding = longer.reshape([num_classes, -1]) > 0
    probs = _interpolate(np.sum(preceding, axis=0), probs)
  probs = _interpolate(_counts(codes, order, num_classes), probs)
  return probs.reshape([num_classes] * order)


def ngram_bits(
    train: np.ndarray, test: np.ndarray, order: int, num_classes: int = 27
) -> float:
  """Returns what an n-gram model pays for a character of a text, in bits.

  Args:
    train: Integer codes, shape `[size]`, to which `kneser_ney` is fitted.
    test: Codes like `train`. The first `order - 1` are only context.
    order: Characters of an n-gram; 1 gives frequencies alone.
    num_classes: Number of symbols.

  Returns:
    Mean negative log-probability, in bits per character.

  Raises:
    ValueError: As `kneser_ney` raises, also for `test`.

  Example:
    >>> codes = np.array([0, 1] * 50)
    >>> [round(ngram_bits(codes, codes, n, num_classes=2), 2) for n in (1, 2)]
    [1.0, 0.01]
  """
  probs = kneser_ney(train, order, num_classes)
  chosen = probs.reshape(-1)[_indices(test, order, num_classes)]
  return -float(np.mean(np.log(chosen))) / math.log(2)


def ngram_predictions(
    train: np.ndarray, codes: np.ndarray, order: int, num_classes: int = 27
) -> np.ndarray:
  """Returns what an n-gram model predicts for each character of a text.

  Args:
    train: As for `ngram_bits`.
    codes: Codes like `train`. The first `order - 1` are only context.
    order: Characters of an n-gram, at least 2.
    num_classes: Number of symbols.

  Returns:
    Array of shape `[size - order + 1, K]`, the probabilities.

  Raises:
    ValueError: As `kneser_ney` raises.

  Example:
    >>> codes = np.array([0, 1] * 50)
    >>> ngram_predictions(codes, codes[:3], 2, num_classes=2).argmax(-1)
    array([1, 0])
  """
  table = kneser_ney(train, order, num_classes)
  contexts = np.lib.stride_tricks.sliding_window_view(codes, order)[:, :-1]
  return table[tuple(contexts.T)]


def _interpolate(counts, shorter):
  """Returns `[contexts, K]` from its counts and `shorter`, a K-th of it."""
  ones, twos = np.sum(counts == 1), np.sum(counts == 2)
  discount = ones / (ones + 2 * twos) if ones else _DEFAULT_DISCOUNT
  # First symbol of the context (none at order 1), rest of it, next symbol.
  counts = counts.reshape([-1, *shorter.shape])
  total = np.sum(counts, axis=-1, keepdims=True)
  distinct = np.sum(counts > 0, axis=-1, keepdims=True)
  probs = np.maximum(counts - discount, 0)
  probs += discount * distinct * shorter
  probs /= np.maximum(total, 1)
  return np.where(total > 0, probs, shorter).reshape([-1, shorter.shape[-1]])


def _counts(codes, order, num_classes):
  return np.bincount(
      _indices(codes, order, num_classes), minlength=num_classes**order
  )


def _indices(codes, order, num_classes):
  """Returns the place of each n-gram in a flat table, int64."""
  size = len(codes) - order + 1
  if size < 1 or np.min(codes) < 0 or np.max(codes) >= num_classes:
    raise ValueError(
        f'Expected at least {order} codes from 0 to {num_classes - 1}; received'
        f' {len(codes)} from {np.min(codes, initial=0)} to '
        f'{np.max(codes, initial=0)}.'
    )
  indices = np.zeros(size, np.int64)
  for offset in range(order):
    indices *= num_classes
    indices += codes[offset : offset + size]
  return indices
