"""Models of any era on one set of tasks: quality with its uncertainty, and what each costs."""

from rowspace.evaluate.compare.cache import Cache as Cache
from rowspace.evaluate.compare.contender import Contender as Contender
from rowspace.evaluate.compare.contender import Scorer as Scorer
from rowspace.evaluate.compare.costs import measure_costs as measure_costs
from rowspace.evaluate.compare.models import open_contenders as open_contenders
from rowspace.evaluate.compare.outcome import Comparison as Comparison
from rowspace.evaluate.compare.outcome import Costs as Costs
from rowspace.evaluate.compare.outcome import Entry as Entry
from rowspace.evaluate.compare.outcome import Items as Items
from rowspace.evaluate.compare.outcome import LackingError as LackingError
from rowspace.evaluate.compare.outcome import NotScored as NotScored
from rowspace.evaluate.compare.outcome import Outcome as Outcome
from rowspace.evaluate.compare.page import render_page as render_page
from rowspace.evaluate.compare.recommend import Recommendation as Recommendation
from rowspace.evaluate.compare.recommend import recommend as recommend
from rowspace.evaluate.compare.run import Row as Row
from rowspace.evaluate.compare.run import compare as compare
from rowspace.evaluate.compare.saving import read_comparison as read_comparison
from rowspace.evaluate.compare.saving import write_comparison as write_comparison
from rowspace.evaluate.compare.settings import CompareSettings as CompareSettings
from rowspace.evaluate.compare.spec import parse_spec as parse_spec
from rowspace.evaluate.compare.standing import rank_kind as rank_kind
from rowspace.evaluate.compare.standing import rank_task as rank_task
from rowspace.evaluate.compare.tasks import find_scorers as find_scorers
from rowspace.evaluate.compare.texts import sample_texts as sample_texts
