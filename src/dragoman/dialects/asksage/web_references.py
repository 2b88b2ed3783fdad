"""Results of a web search as references of an answer."""

from dragoman.domain.messages.citations import Citation
from dragoman.domain.tools.ports import WebHit
from dragoman.kit.jsontypes import JsonValue

_LINK, _DESCRIPTION, SUMMARY = "link", "description", "summary"


def web_citation(number: int, hit: WebHit) -> Citation:
    """The reference to a result."""
    text = hit.description or hit.title
    return Citation(
        number=number,
        collection_id="",
        document_id=hit.url,
        document_name=hit.title,
        passage_id=hit.url,
        text=text,
        char_start=0,
        char_end=len(text),
        page=None,
        heading_path=(),
        score=0.0,
        metadata={_LINK: hit.url, _DESCRIPTION: hit.description},
    )


def web_reference(citation: Citation) -> str | None:
    """A result of a search in this dialect's form, without its number; None for any other reference."""
    link = citation.metadata.get(_LINK)
    if citation.collection_id or not isinstance(link, str):
        return None
    title, description = _flat(citation.document_name), _flat(citation.metadata.get(_DESCRIPTION))
    text = f"Article Title: {title} - Link: {link} - Article Description: {description} - "
    summary = _flat(citation.metadata.get(SUMMARY))
    return f"{text}Web Description: {summary}" if summary else text


def _flat(value: JsonValue) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""
