"""What finds the rows nearest to a query: exactly, or by an approximate index."""

from rowspace.search.index.dense import DenseIndex as DenseIndex
from rowspace.search.index.exact import ExactIndex as ExactIndex
