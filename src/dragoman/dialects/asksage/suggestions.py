"""Questions that passages raise, and questions out of what a model wrote."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product

import orjson

from dragoman.domain.messages.citations import Citation

LEAST, MOST = 3, 5
_LONGEST = 300
_WORD = re.compile(r"[^\W\d_][\w'-]{3,}")
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,5}$")
_NUMBERING = re.compile(r"^\s*(?:[-*•]|\(?\d+[.):]|Q\d*[:.])\s*")
_FORMS = (
    "What does {document} say about {topic}?",
    "What else should be known about {topic}?",
    "Which conditions or exceptions apply to {topic}?",
)
_FURTHER = (
    "Can you explain {topic} in more detail?",
    "What is an example of {topic}?",
    "What are the limits or exceptions of {topic}?",
)
# Words that say nothing about what a text treats.
_EMPTY_WORDS = (
    "about above after again against also although always among another because been before being below between both "
    "cannot could does doing down during each either every from further have having here hers himself however into "
    "itself just least less many might more most much must neither never none only other others ours over same shall "
    "should since some such than that their theirs them then there therefore these they this those through thus under "
    "until upon very were what when where whether which while whom whose will with within without would your yours"
)
_EMPTY = frozenset(_EMPTY_WORDS.split())


def from_passages(citations: Sequence[Citation], question: str) -> list[str]:
    """Up to five questions about the headings and the frequent words of passages; the same for the same passages."""
    topics = list(_topics(citations, question))
    found = [
        form.format(document=document, topic=topic) for form, (topic, document) in product(_FORMS, topics)
    ]
    return found[:MOST]


def from_conversation(turns: Sequence[str]) -> list[str]:
    """Up to five questions about the longest words of the last turns; none where they treat of nothing."""
    words = dict.fromkeys(
        word.casefold()
        for turn in reversed(turns)
        for word in sorted(_WORD.findall(turn), key=len, reverse=True)
        if word.casefold() not in _EMPTY
    )
    return [form.format(topic=f'"{topic}"') for topic, form in product(list(words)[:2], _FURTHER)][:MOST]


def _topics(citations: Sequence[Citation], question: str) -> Iterator[tuple[str, str]]:
    """Topics with the documents they are from: headings first, then words that stand out."""
    seen = {word.casefold() for word in _WORD.findall(question)}
    titles = {
        _EXTENSION.sub("", citation.document_name).replace("_", " ").casefold() for citation in citations
    }
    for citation in citations:
        for heading in citation.heading_path[-1:]:
            topic = heading.strip().rstrip(".:?!")
            if topic and topic.casefold() not in seen | titles and len(topic) <= 100 and "|" not in topic:
                seen.add(topic.casefold())
                yield f'"{topic}"', citation.document_name
    # A word that many passages share is what they are all about, one that a passage repeats what it is about.
    for citation in citations:
        words = Counter(
            word.casefold() for word in _WORD.findall(citation.text) if word.casefold() not in _EMPTY
        )
        for word, _ in sorted(words.items(), key=lambda item: (-item[1], -len(item[0]), item[0]))[:2]:
            if word not in seen:
                seen.add(word)
                yield f'"{word}"', citation.document_name


def from_model(text: str) -> list[str]:
    """The questions in a model's answer: a JSON array of them, or one a line; at most five."""
    found = dict.fromkeys(_cleaned(line) for line in (_array(text) or text.splitlines()))
    return [question for question in found if question.endswith("?") and 8 < len(question) <= _LONGEST][:MOST]


def _array(text: str) -> list[str]:
    start, end = text.find("["), text.rfind("]")
    if start < 0 or end <= start:
        return []
    try:
        decoded = orjson.loads(text[start : end + 1])
    except orjson.JSONDecodeError:
        return []
    return [item for item in decoded if isinstance(item, str)] if isinstance(decoded, list) else []


def _cleaned(line: str) -> str:
    return _NUMBERING.sub("", line).strip().strip("\"'`,").strip()
