"""Search: a space on disk, its passages found by meaning and by words."""

from rowspace.search.fields import FieldTypes as FieldTypes
from rowspace.search.filters import compile_filter as compile_filter
from rowspace.search.filters import parse_filter as parse_filter
from rowspace.search.fusion import reciprocal_rank_fusion as reciprocal_rank_fusion
from rowspace.search.hit import Hit as Hit
from rowspace.search.index import ExactIndex as ExactIndex
from rowspace.search.retrieval import Citation as Citation
from rowspace.search.retrieval import Retrieved as Retrieved
from rowspace.search.space import Space as Space
from rowspace.search.space import open_space as open_space
from rowspace.search.writer import Added as Added
from rowspace.search.writer import create_space as create_space
