"""A model that needs no weights: it answers by quoting the passages it is given, or says that they do not
hold the answer.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import numpy as np
import structlog

from dragoman.adapters.models.quoting import Candidate, Passage, candidates
from dragoman.adapters.models.sentences import sentences
from dragoman.domain.inference.ports import ChatRequest, Embedder, ModelProfile, Reranker
from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.events import Event, Finished, FinishReason, TextDelta, Usage
from dragoman.domain.messages.parts import Message, TextPart
from dragoman.kit.errors import DragomanError

log = structlog.get_logger(__name__)

NOT_IN_DOCUMENTS = "The documents do not say."
NO_DOCUMENTS = (
    "This model only answers by quoting documents, and none came with the question. Attach a collection, or "
    "configure a language model: an OpenAI-compatible address or a GGUF file."
)

# Measured with one to eight passages a question: below this lie 4 % of the answerable and 61 % of the
# unanswerable questions, below 0.45 they are 6 % and 72 %.
_SUPPORT = 0.40
_SCORE_GAP = 1.2
_MOST_QUOTES = 3
_JUDGED = 8
_JUDGE_SECONDS = 5.0
_RERANKER_WEIGHT = 1.2
_EMBEDDER_WEIGHT = 0.6
_OVERVIEW = re.compile(
    r"\b(summar(y|i[sz]e|ies)|overview|main (points?|ideas?|topics?)|key points?|gist"
    r"|what('s| is| are)? (this|these|the) (\w+ )?(about|document|documents|file|text) ?(about)?)\b",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"</?\w+>")
_PIECE = re.compile(r"\S+\s*")
_CHARACTERS_PER_TOKEN = 4


class SentenceJudge(Protocol):
    """Judges by meaning how well sentences answer a question."""

    @property
    def weight(self) -> float:
        """How much the judgement counts beside that of the words."""
        ...

    async def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """One score a text, higher is better; they are compared within the call only."""
        ...


class RerankerJudge:
    """Judges with a reranker."""

    weight = _RERANKER_WEIGHT

    def __init__(self, reranker: Reranker) -> None:
        self._reranker = reranker

    async def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """The reranker's scores."""
        return await self._reranker.score(question, texts)


class EmbedderJudge:
    """Judges by the nearness of vectors."""

    weight = _EMBEDDER_WEIGHT

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    async def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """Cosines of the question and each text."""
        query = await self._embedder.embed_queries([question])
        vectors = await self._embedder.embed_documents(texts)
        return [float(cosine) for cosine in vectors @ query[0]]


class ExtractiveModel:
    """Quotes one to three sentences, each with the number of its passage."""

    def __init__(self, name: str = "extractive", *, judge: SentenceJudge | None = None) -> None:
        self._name = name
        self._judge = judge
        self._profile = ModelProfile(
            context_tokens=1_000_000, tools=False, json_schema=False, quotes_only=True
        )

    @property
    def name(self) -> str:
        """The name the catalogue lists it by."""
        return self._name

    @property
    def profile(self) -> ModelProfile:
        """Facts about the model."""
        return self._profile

    async def stream(self, request: ChatRequest) -> AsyncIterator[Event]:
        """The quotations word by word; the same request always gives the same answer."""
        answer = await self._answer(request)
        pieces: list[str] = _PIECE.findall(answer)
        bound = request.sampling.max_tokens
        reason: FinishReason = "stop"
        if bound is not None and len(pieces) > bound:
            pieces, reason = pieces[:bound], "length"
        for piece in pieces:
            yield TextDelta(piece)
        prompt = sum(len(message.text) for message in request.messages)
        yield Finished(
            reason, Usage(_tokens(prompt), _tokens(sum(map(len, pieces))), estimated=True), self._name
        )

    async def _answer(self, request: ChatRequest) -> str:
        if not request.citations:
            return NOT_IN_DOCUMENTS if request.grounded else NO_DOCUMENTS
        question = _question(request.messages, request.citations)
        passages = [_passage(citation) for citation in request.citations]
        if _OVERVIEW.search(question):
            return _first_sentences(passages)
        ranked = candidates(question, passages)
        if not ranked or ranked[0].support < _SUPPORT:
            return NOT_IN_DOCUMENTS
        chosen = _closest(await self._judged(question, ranked))
        return _quoted([(each.sentence.text, each.number) for each in chosen])

    async def _judged(self, question: str, ranked: list[Candidate]) -> list[tuple[float, Candidate]]:
        """The best candidates by their words, with their scores after the judge has spoken, best first."""
        best = ranked[:_JUDGED]
        scores = np.array([each.score for each in best])
        if self._judge is not None and len(best) > 1:
            try:
                async with asyncio.timeout(_JUDGE_SECONDS):
                    said = await self._judge.score(question, [each.sentence.text for each in best])
                judgement = np.array(said)
            except (DragomanError, TimeoutError) as error:
                # The words alone are nearly as good, and an answer is not to wait for documents being indexed.
                log.warning("extractive.judge_failed", reason=str(error) or "too slow")
            else:
                spread = float(judgement.std()) or 1.0
                scores = scores + self._judge.weight * (judgement - judgement.mean()) / spread
        order = np.argsort(-scores, kind="stable")
        return [(float(scores[index]), best[index]) for index in order]


def _closest(judged: list[tuple[float, Candidate]]) -> list[Candidate]:
    """The best candidate and those hardly worse."""
    top = judged[0][0]
    chosen: list[Candidate] = []
    for score, candidate in judged:
        if top - score > _SCORE_GAP or len(chosen) == _MOST_QUOTES:
            break
        if all(candidate.sentence.text != each.sentence.text for each in chosen):
            chosen.append(candidate)
    return chosen


def _quoted(quotes: Sequence[tuple[str, int]]) -> str:
    return " ".join(f"{text} [{number}]" for text, number in quotes)


def _first_sentences(passages: Sequence[Passage]) -> str:
    """What the first passages begin with: all that quoting can do for a summary."""
    starts = [(found[0].text, passage.number) for passage in passages if (found := sentences(passage.text))]
    return _quoted(starts[:_MOST_QUOTES]) or NOT_IN_DOCUMENTS


def _passage(citation: Citation) -> Passage:
    heading = " ".join(
        (citation.document_name.replace("_", " "), *citation.heading_path, citation.context or "")
    )
    return Passage(citation.number, heading, citation.text)


def _question(messages: Sequence[Message], citations: Sequence[Citation]) -> str:
    """The last user turn without the passages that were put into it."""
    turn = next((message for message in reversed(messages) if message.role == "user"), None)
    if turn is None:
        return ""
    own: list[str] = []
    after_passages = ""
    for part in turn.parts:
        if isinstance(part, TextPart):
            ends = [
                place + len(each.text)
                for each in citations
                if each.text and (place := part.text.rfind(each.text)) >= 0
            ]
            if ends:
                after_passages = _MARKUP.sub(" ", part.text[max(ends) :])
            else:
                own.append(part.text)
    return "\n".join(own).strip() or after_passages.strip()


def _tokens(characters: int) -> int:
    return -(-characters // _CHARACTERS_PER_TOKEN)
