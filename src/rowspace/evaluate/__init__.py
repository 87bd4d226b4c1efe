"""Measuring vectors and search: word similarity, analogies, retrieval."""

from rowspace.evaluate.analogy import AnalogyResult as AnalogyResult
from rowspace.evaluate.analogy import AnalogySection as AnalogySection
from rowspace.evaluate.analogy import evaluate_analogies as evaluate_analogies
from rowspace.evaluate.analogy import read_analogies as read_analogies
from rowspace.evaluate.beir import RetrievalTask as RetrievalTask
from rowspace.evaluate.beir import read_qrels as read_qrels
from rowspace.evaluate.beir import read_retrieval_task as read_retrieval_task
from rowspace.evaluate.ranking import average_precision as average_precision
from rowspace.evaluate.ranking import ndcg_at_k as ndcg_at_k
from rowspace.evaluate.ranking import precision_at_k as precision_at_k
from rowspace.evaluate.ranking import recall_at_k as recall_at_k
from rowspace.evaluate.ranking import reciprocal_rank as reciprocal_rank
from rowspace.evaluate.retrieval import RetrievalResult as RetrievalResult
from rowspace.evaluate.retrieval import evaluate_rankings as evaluate_rankings
from rowspace.evaluate.retrieval import retrieve as retrieve
from rowspace.evaluate.retrieval import retrieve_dense as retrieve_dense
from rowspace.evaluate.similarity import SimilarityResult as SimilarityResult
from rowspace.evaluate.similarity import read_pairs as read_pairs
from rowspace.evaluate.similarity import word_similarity as word_similarity
from rowspace.evaluate.tasks import Report as Report
from rowspace.evaluate.tasks import Settings as Settings
from rowspace.evaluate.tasks import find_tasks as find_tasks
from rowspace.evaluate.tasks import run_tasks as run_tasks
