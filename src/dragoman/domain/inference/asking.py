"""Small questions to a model beside the answer itself: to classify, to rewrite, to describe."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from dragoman.domain.inference.ports import ChatRequest
from dragoman.domain.messages.fold import Answer

# A model behind one call: the whole answer, metered; it raises DragomanError.
Ask: TypeAlias = Callable[[ChatRequest], Awaitable[Answer]]
