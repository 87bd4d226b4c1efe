"""Measuring vectors and search: similarity, analogies, retrieval, senses of words."""

from rowspace.evaluate.analogy import AnalogyResult as AnalogyResult
from rowspace.evaluate.analogy import AnalogySection as AnalogySection
from rowspace.evaluate.analogy import evaluate_analogies as evaluate_analogies
from rowspace.evaluate.analogy import read_analogies as read_analogies
from rowspace.evaluate.beir import RetrievalTask as RetrievalTask
from rowspace.evaluate.beir import read_qrels as read_qrels
from rowspace.evaluate.beir import read_retrieval_task as read_retrieval_task
from rowspace.evaluate.occurrence_encoders import NeighborOccurrences as NeighborOccurrences
from rowspace.evaluate.occurrence_encoders import OccurrenceEncoder as OccurrenceEncoder
from rowspace.evaluate.occurrence_encoders import StaticOccurrences as StaticOccurrences
from rowspace.evaluate.occurrence_encoders import TransformerOccurrences as TransformerOccurrences
from rowspace.evaluate.pair_classification import PairResult as PairResult
from rowspace.evaluate.pair_classification import (
    evaluate_pair_classification as evaluate_pair_classification,
)
from rowspace.evaluate.ranking import average_precision as average_precision
from rowspace.evaluate.ranking import ndcg_at_k as ndcg_at_k
from rowspace.evaluate.ranking import precision_at_k as precision_at_k
from rowspace.evaluate.ranking import recall_at_k as recall_at_k
from rowspace.evaluate.ranking import reciprocal_rank as reciprocal_rank
from rowspace.evaluate.retrieval import RetrievalResult as RetrievalResult
from rowspace.evaluate.retrieval import evaluate_rankings as evaluate_rankings
from rowspace.evaluate.retrieval import retrieve as retrieve
from rowspace.evaluate.retrieval import retrieve_dense as retrieve_dense
from rowspace.evaluate.sense import SenseResult as SenseResult
from rowspace.evaluate.sense import SenseSettings as SenseSettings
from rowspace.evaluate.sense import evaluate_senses as evaluate_senses
from rowspace.evaluate.sense_data import SenseTask as SenseTask
from rowspace.evaluate.sense_data import read_coarse_wsd as read_coarse_wsd
from rowspace.evaluate.sense_data import read_senseval as read_senseval
from rowspace.evaluate.sense_data import read_wic as read_wic
from rowspace.evaluate.sentence_data import SentenceTask as SentenceTask
from rowspace.evaluate.sentence_data import read_sentence_pairs as read_sentence_pairs
from rowspace.evaluate.sentence_data import read_sentence_task as read_sentence_task
from rowspace.evaluate.similarity import SimilarityResult as SimilarityResult
from rowspace.evaluate.similarity import read_pairs as read_pairs
from rowspace.evaluate.similarity import word_similarity as word_similarity
from rowspace.evaluate.sts import STSResult as STSResult
from rowspace.evaluate.sts import evaluate_sts as evaluate_sts
from rowspace.evaluate.sts import evaluate_sts_task as evaluate_sts_task
from rowspace.evaluate.tasks import Report as Report
from rowspace.evaluate.tasks import Settings as Settings
from rowspace.evaluate.tasks import find_tasks as find_tasks
from rowspace.evaluate.tasks import run_tasks as run_tasks
from rowspace.evaluate.wic import WicResult as WicResult
from rowspace.evaluate.wic import evaluate_wic as evaluate_wic
