"""How well models answer from passages: ``python bench/answer_quality.py DATA_DIR``.

DATA_DIR holds ``corpus.jsonl`` ({id, title, text}), ``queries.jsonl`` ({id, text, answers}) and
``qrels.tsv``. Every question is asked twice: with its passage among the four that share most words with it,
and with that passage left out.
"""

import argparse
import asyncio
import json
import logging
import math
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from dragoman.adapters.embedders.local import LocalEmbedder
from dragoman.adapters.models.extractive import (
    NOT_IN_DOCUMENTS,
    EmbedderJudge,
    ExtractiveModel,
    RerankerJudge,
)
from dragoman.adapters.models.local import LocalModel
from dragoman.adapters.models.words import content, words
from dragoman.adapters.rerankers.local import LocalReranker
from dragoman.domain.agents.context import assemble
from dragoman.domain.agents.spec import AgentSpec, KnowledgeSpec
from dragoman.domain.inference.chat import complete
from dragoman.domain.inference.ports import ChatModel, ChatRequest, Sampling
from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.fold import fold_stream
from dragoman.domain.messages.parts import Message
from dragoman.kit.processes import ChildPool

PASSAGES = 5
SPEC = AgentSpec(model="default", knowledge=KnowledgeSpec(collection_ids=("bench",)))
MARK = re.compile(r"\s*\[(\d+)\]")
REFUSAL = re.compile(
    r"(documents?|passages?|text|context)\b[^.]{0,40}\b(do(es)? not|don't|doesn't)\b"
    r"|\b(not (say|mention|state|provide|contain)"
    r"|no (answer|information|mention)|cannot (be )?(answer|determin|find)|don't know)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Case:
    """A question with its passages in a fixed random order; ``gold`` is the right one's number, None when it
    is left out.
    """

    question: str
    answers: list[str]
    passages: list[dict[str, str]]
    gold: int | None


@dataclass
class Tally:
    """Sums over the questions."""

    answerable: int = 0
    contained: int = 0
    f1: float = 0.0
    cited: int = 0
    marks: int = 0
    marks_right: int = 0
    refused_wrongly: int = 0
    unanswerable: int = 0
    refused_rightly: int = 0
    words: int = 0
    seconds: list[float] = field(default_factory=list)

    def line(self, name: str) -> str:
        """One row of the table."""

        def share(part: float, whole: int) -> str:
            return f"{part / whole:.1%}" if whole else "-"

        median = sorted(self.seconds)[len(self.seconds) // 2]
        return (
            f"{name}: {self.answerable}+{self.unanswerable} questions"
            f" | span contained {share(self.contained, self.answerable)}"
            f" | token F1 {self.f1 / max(self.answerable, 1):.3f}"
            f" | cites gold {share(self.cited, self.answerable)}"
            f" | marks right {share(self.marks_right, self.marks)}"
            f" | refused wrongly {share(self.refused_wrongly, self.answerable)}"
            f" | refused rightly {share(self.refused_rightly, self.unanswerable)}"
            f" | {self.words / max(self.answerable, 1):.0f} words | median {median * 1000:.1f} ms"
        )


def normalised(text: str) -> str:
    """Lower case, no articles, no punctuation, single spaces."""
    text = re.sub(r"\b(a|an|the)\b", " ", MARK.sub("", text).lower())
    return " ".join(re.sub(r"[^\w\s]", "", text).split())


def token_f1(answer: str, truths: list[str]) -> float:
    """The best F1 of shared words against the accepted answers."""
    mine = Counter(normalised(answer).split())
    best = 0.0
    for truth in truths:
        theirs = Counter(normalised(truth).split())
        shared = sum((mine & theirs).values())
        if shared:
            best = max(best, 2 * shared / (sum(mine.values()) + sum(theirs.values())))
    return best


def read_cases(folder: Path, seed: int, passages: int) -> list[tuple[Case, Case]]:
    """Each question in its answerable and its unanswerable form, shuffled."""
    corpus = [json.loads(line) for line in (folder / "corpus.jsonl").read_text("utf-8").splitlines()]
    queries = [json.loads(line) for line in (folder / "queries.jsonl").read_text("utf-8").splitlines()]
    rows = [line.split("\t") for line in (folder / "qrels.tsv").read_text("utf-8").splitlines()[1:]]
    gold = {query: document for query, document, _grade in reversed(rows)}
    by_id = {document["id"]: document for document in corpus}
    stems = {document["id"]: {word.stem for word in words(document["text"])} for document in corpus}
    holding = Counter(stem for each in stems.values() for stem in each)
    rng = random.Random(seed)
    cases = []
    for query in queries:
        right = gold[query["id"]]
        terms = {word.stem for word in content(words(query["text"]))} & holding.keys()
        worth = {
            key: sum(math.log(len(corpus) / holding[term]) for term in terms & found)
            for key, found in stems.items()
        }
        near = sorted((key for key in worth if key != right), key=lambda key: (-worth[key], key))
        chosen = [right, *near[: passages - 1]]
        rng.shuffle(chosen)
        with_gold = Case(
            query["text"], query["answers"], [by_id[key] for key in chosen], chosen.index(right) + 1
        )
        without = Case(query["text"], query["answers"], [by_id[key] for key in near[:passages]], None)
        cases.append((with_gold, without))
    rng.shuffle(cases)
    return cases


def citations_of(case: Case) -> tuple[Citation, ...]:
    """The passages as a retriever would number them."""
    return tuple(
        Citation(
            number=number,
            collection_id="bench",
            document_id=passage["id"],
            document_name=passage["title"],
            passage_id=passage["id"],
            text=passage["text"],
            char_start=0,
            char_end=len(passage["text"]),
            page=None,
            heading_path=(),
            score=0.5,
        )
        for number, passage in enumerate(case.passages, 1)
    )


async def ask(model: ChatModel, case: Case) -> tuple[str, float]:
    """The model's answer and the seconds it took."""
    citations = citations_of(case)
    request = ChatRequest(
        messages=assemble(SPEC, (Message.of_text("user", case.question),), citations),
        sampling=Sampling(temperature=0, max_tokens=120, seed=1),
        citations=citations,
    )
    started = time.perf_counter()
    answer = await fold_stream(complete(model, request, deadline_seconds=120))
    return answer.text, time.perf_counter() - started


def count(tally: Tally, case: Case, answer: str) -> None:
    """Adds one answer."""
    refused = answer == NOT_IN_DOCUMENTS or (REFUSAL.search(answer) is not None and not MARK.search(answer))
    if case.gold is None:
        tally.unanswerable += 1
        tally.refused_rightly += refused
        return
    marks = {int(mark) for mark in MARK.findall(answer)}
    text = f" {normalised(answer)} "
    tally.answerable += 1
    tally.contained += any(f" {normalised(truth)} " in text for truth in case.answers)
    tally.f1 += token_f1(answer, case.answers)
    tally.cited += case.gold in marks
    tally.marks += len(marks)
    tally.marks_right += case.gold in marks
    tally.refused_wrongly += refused
    tally.words += len(answer.split())


async def measure(model: ChatModel, cases: list[tuple[Case, Case]], seconds: float, shown: int) -> Tally:
    """The model's figures, over as many questions as fit into the time."""
    tally = Tally()
    end = time.monotonic() + seconds
    for index, pair in enumerate(cases):
        if time.monotonic() > end:
            break
        for case in pair:
            answer, took = await ask(model, case)
            tally.seconds.append(took)
            count(tally, case, answer)
            if index < shown:
                print(f"  {case.question!r} gold {case.gold} {case.answers}\n    -> {answer!r}")
    return tally


async def measure_judged(weights: Path, cases: list[tuple[Case, Case]], seconds: float) -> None:
    """The quoting model with the embedder's and with the reranker's judgement beside the words."""
    pool = ChildPool(size=1, memory_mb=None, idle_seconds=60, name="bench")
    embedder = LocalEmbedder(weights, query_threads=1, ingest_pool=pool)
    try:
        for judge in (EmbedderJudge(embedder), RerankerJudge(LocalReranker(weights, pool=pool, threads=1))):
            tally = await measure(ExtractiveModel(judge=judge), cases, seconds, 0)
            print(tally.line(f"extractive + {type(judge).__name__}"), flush=True)
    finally:
        await pool.close()


async def main() -> None:
    """Measures what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--passages", type=int, default=PASSAGES)
    parser.add_argument(
        "--weights", type=Path, help="folder of embedder and reranker: measures with them too"
    )
    parser.add_argument("--gguf", type=Path, help="also measures this local model")
    parser.add_argument("--gguf-questions", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=300, help="bound for each model")
    parser.add_argument("--show", type=int, default=0, help="prints so many questions with their answers")
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    cases = read_cases(asked.data_dir, asked.seed, asked.passages)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    tally = await measure(ExtractiveModel(), cases[: asked.questions], asked.seconds, asked.show)
    print(tally.line("extractive"), flush=True)
    if asked.weights is not None:
        await measure_judged(asked.weights, cases[: asked.questions], asked.seconds)
    if asked.gguf is not None:
        model = LocalModel("local", model_path=asked.gguf)
        try:
            tally = await measure(model, cases[: asked.gguf_questions], asked.seconds, asked.show)
        finally:
            await model.close()
        print(tally.line(asked.gguf.stem))


if __name__ == "__main__":
    asyncio.run(main())
