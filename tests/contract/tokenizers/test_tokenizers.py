"""What holds for every tokenizer, how near the estimate is, and which vocabulary a model gets."""

import asyncio
import inspect
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dragoman.kit.processes
from dragoman.adapters.tokenizers import loader as loading
from dragoman.adapters.tokenizers.bpe import BpeTokenizer
from dragoman.adapters.tokenizers.estimate import EstimateTokenizer
from dragoman.adapters.tokenizers.file import FileTokenizer
from dragoman.adapters.tokenizers.loader import TokenizerLoader
from dragoman.domain.inference.ports import Tokenizer
from dragoman.domain.inference.tokenize import TokenCount, TokenCounter, vocabulary_of
from dragoman.kit.weights import BGE_SMALL_TOKENIZER, locate

ENGLISH = (
    "The lighthouse keeper wrote to the ministry every winter. He asked for coal, for lamp oil and "
    "for a new bell rope, and every spring the answer came back with the same stamp: under "
    "consideration. In the forty-first year of his service a young inspector rowed out to the rock, "
    "counted the stairs, measured the lantern and asked why nothing had been repaired since 1873. The "
    "keeper showed him a drawer that held eighty-two letters, tied together with what remained of the "
    "old rope."
)
CHINESE = (
    "每天早上，图书馆还没有开门，门口就已经排起了长队。学生们带着早餐和课本，一边等候一边小声背诵单词。"
    "管理员说，考试季节最难找的不是参考书，而是靠窗的座位。后来学校在操场旁边搭建了临时自习室，"
    "安装了空调和照明设备，排队的人才慢慢减少。不过，仍然有人喜欢老图书馆里旧纸张的气味。"
)
CODE = inspect.getsource(dragoman.kit.processes)


def byte_pairs(_weights: Path) -> Tokenizer:
    return BpeTokenizer("o200k_base")


def from_file(weights: Path) -> Tokenizer:
    return FileTokenizer(locate(weights, BGE_SMALL_TOKENIZER))


def estimate(_weights: Path) -> Tokenizer:
    return EstimateTokenizer()


@pytest.fixture(
    params=[byte_pairs, pytest.param(from_file, marks=pytest.mark.weights), estimate],
    ids=["bpe", "file", "estimate"],
)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    make: Callable[[Path], Tokenizer] = request.param
    return make(request.getfixturevalue("weights_dir") if make is from_file else Path())


def test_an_empty_text_has_no_tokens(tokenizer: Tokenizer) -> None:
    assert tokenizer.count("") == 0


@pytest.mark.parametrize(
    "text", ["a", "\ud800 lone surrogate", "😀" * 50, "<|endoftext|>", "0" * 10_000, "क्षत्रिय"]
)
def test_strange_texts_are_counted(tokenizer: Tokenizer, text: str) -> None:
    assert 1 <= tokenizer.count(text) <= 4 * len(text)


def test_a_longer_text_has_more_tokens(tokenizer: Tokenizer) -> None:
    assert tokenizer.count(ENGLISH * 2) > 1.9 * tokenizer.count(ENGLISH)


@pytest.mark.parametrize(("name", "tokens"), [("o200k_base", 4), ("cl100k_base", 4)])
def test_exact_counts_are_those_of_the_published_vocabularies(name: str, tokens: int) -> None:
    assert BpeTokenizer(name).exact
    assert BpeTokenizer(name).count("hello world, hello") == tokens


@pytest.mark.parametrize("text", [ENGLISH, CHINESE, CODE], ids=["english", "chinese", "code"])
def test_the_estimate_is_within_a_tenth_of_the_exact_count(text: str) -> None:
    assert not EstimateTokenizer().exact
    assert EstimateTokenizer().count(text) == pytest.approx(BpeTokenizer("o200k_base").count(text), rel=0.1)


@given(st.text(min_size=1))
def test_the_estimate_is_at_least_one_token_for_any_text(text: str) -> None:
    assert 1 <= EstimateTokenizer().count(text) <= 3 * len(text) + 1


@pytest.mark.weights
def test_the_embedders_vocabulary_counts_without_the_tokens_around_a_text(weights_dir: Path) -> None:
    assert from_file(weights_dir).count("hello world") == 2
    assert from_file(weights_dir).count("word " * 2_000) == 2_000


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(ValueError, match="is not a tokenizer"):
        FileTokenizer(path)


@pytest.mark.parametrize(
    ("model", "vocabulary", "factor"),
    [
        ("gpt-4o-mini", "o200k_base", 1.0),
        ("openai/gpt-4.1", "o200k_base", 1.0),
        ("gpt-5", "o200k_base", 1.0),
        ("o3-mini", "o200k_base", 1.0),
        ("gpt-4-turbo", "cl100k_base", 1.0),
        ("gpt-3.5-turbo", "cl100k_base", 1.0),
        ("text-embedding-3-small", "cl100k_base", 1.0),
        ("bge-small-en-v1.5", "bert-uncased", 1.0),
        ("anthropic/claude-sonnet-4", "o200k_base", 1.2),
        ("qwen2.5:7b", "o200k_base", 1.15),
        ("orca-mini", "o200k_base", 1.15),
    ],
)
def test_a_model_is_counted_by_its_familys_vocabulary(model: str, vocabulary: str, factor: float) -> None:
    found = vocabulary_of(model)
    assert (found.tokenizer, found.factor) == (vocabulary, factor)


class Words:
    """Counts words; says where it was called."""

    exact = True

    def __init__(self) -> None:
        self.threads: set[int] = set()

    def count(self, text: str) -> int:
        self.threads.add(threading.get_ident())
        return len(text.split())


def test_foreign_vocabularies_are_scaled_up_and_flagged() -> None:
    counter = TokenCounter(lambda _name: Words())
    assert counter.count("one two three", "gpt-4o") == TokenCount(3, estimated=False)
    assert counter.count("one two three", "claude-3-haiku") == TokenCount(4, estimated=True)


def test_a_vocabulary_is_loaded_once_and_only_when_it_is_needed() -> None:
    loaded: list[str] = []

    def load(name: str) -> Words:
        loaded.append(name)
        return Words()

    counter = TokenCounter(load)
    assert loaded == []
    counter.count("x", "gpt-4o")
    counter.count("x", "gpt-5")
    assert loaded == ["o200k_base"]


def test_long_texts_and_first_loads_leave_the_event_loop_free() -> None:
    words = Words()
    counter = TokenCounter(lambda _name: words)

    async def run(text: str) -> TokenCount:
        return await counter.total([text, text], "gpt-4o")

    loop_thread = threading.get_ident()
    assert asyncio.run(run("a b")) == TokenCount(4, estimated=False)
    assert loop_thread not in words.threads
    words.threads.clear()
    asyncio.run(run("a b"))
    assert words.threads == {loop_thread}
    words.threads.clear()
    asyncio.run(run("word " * 10_000))
    assert loop_thread not in words.threads


def test_without_its_package_a_vocabulary_is_estimated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(_name: str) -> None:
        raise ModuleNotFoundError("No module named 'rs_bpe'", name="rs_bpe")

    monkeypatch.setattr(loading.importlib, "import_module", absent)
    counted = TokenCounter(TokenizerLoader(tmp_path)).count("hello world", "gpt-4o")
    assert counted.estimated
    assert counted.tokens == 2


def test_without_weights_the_embedders_tokens_are_estimated(tmp_path: Path) -> None:
    assert TokenCounter(TokenizerLoader(tmp_path)).count("hello world", "bge-small-en-v1.5").estimated
