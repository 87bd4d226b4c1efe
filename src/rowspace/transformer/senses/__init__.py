"""The senses of a word, found in its sentences or given by examples."""

from rowspace.transformer.senses.examples import Example as Example
from rowspace.transformer.senses.examples import read_examples as read_examples
from rowspace.transformer.senses.find import Sense as Sense
from rowspace.transformer.senses.find import Senses as Senses
from rowspace.transformer.senses.find import find_senses as find_senses
