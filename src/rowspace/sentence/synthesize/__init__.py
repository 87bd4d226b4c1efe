"""Training pairs made from a corpus alone, or written by a language model behind a server."""

from rowspace.sentence.synthesize.chat_config import ChatConfig as ChatConfig
from rowspace.sentence.synthesize.estimate import Estimate as Estimate
from rowspace.sentence.synthesize.estimate import estimate as estimate
from rowspace.sentence.synthesize.leaks import Leaks as Leaks
from rowspace.sentence.synthesize.leaks import read_leaks as read_leaks
from rowspace.sentence.synthesize.offline import KINDS as KINDS
from rowspace.sentence.synthesize.offline import OfflineConfig as OfflineConfig
from rowspace.sentence.synthesize.offline import synthesize_offline as synthesize_offline
from rowspace.sentence.synthesize.report import SynthesisReport as SynthesisReport
from rowspace.sentence.synthesize.run import synthesize as synthesize

__all__ = [
    "KINDS",
    "ChatConfig",
    "Estimate",
    "Leaks",
    "OfflineConfig",
    "SynthesisReport",
    "estimate",
    "read_leaks",
    "synthesize",
    "synthesize_offline",
]
