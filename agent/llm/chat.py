"""Chat models over HTTP clients that follow no redirect and read no endless answer."""

import ssl
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import httpx
from langchain_core.language_models import BaseChatModel

from agent.llm.question import Provider

LARGEST_ANSWER = 256 * 1024
MOST_TOKENS = 600
CONTEXT_TOKENS = 8192
TEMPERATURE = 0.1


class TooLargeError(Exception):
    """The server sends more than any answer needs."""


class Limited(httpx.SyncByteStream):
    """The body of a response, up to a size."""

    def __init__(self, stream: httpx.SyncByteStream, largest: int = LARGEST_ANSWER) -> None:
        self.stream = stream
        self.left = largest

    def __iter__(self) -> Iterator[bytes]:
        """Pass the chunks on; one too many raises TooLargeError."""
        for chunk in self.stream:
            self.left -= len(chunk)
            if self.left < 0:
                raise TooLargeError
            yield chunk

    def close(self) -> None:
        """Close the connection."""
        self.stream.close()


def limit(response: httpx.Response) -> None:
    """Limit a response before its body is read; a packed body could be of any size."""
    packed = response.headers.get("content-encoding", "identity") != "identity"
    if packed or not isinstance(response.stream, httpx.SyncByteStream):
        raise TooLargeError
    response.stream = Limited(response.stream)


def http_options(seconds: float) -> dict[str, Any]:
    """Return the options of every HTTP client; `seconds` end a silence, the process that asks ends everything else."""
    hooks: dict[str, list[Callable[..., Any]]] = {"response": [limit]}
    headers = {"accept-encoding": "identity"}
    options = {"follow_redirects": False, "timeout": seconds, "event_hooks": hooks, "headers": headers}
    return options | {"verify": trusted()}


@cache
def trusted() -> ssl.SSLContext:
    """Return the certificates that are trusted; loading them costs more than a question."""
    return httpx.create_ssl_context()


def chat_model(provider: Provider, seconds: float) -> BaseChatModel:
    """Return the model; no client tries again by itself, for their time-outs would add up."""
    if provider.name == "ollama":
        from langchain_ollama import ChatOllama

        return ChatOllama(
            model=provider.model,
            base_url=provider.base_url,
            temperature=TEMPERATURE,
            num_predict=MOST_TOKENS,
            num_ctx=CONTEXT_TOKENS,
            client_kwargs={"verify": trusted()},
            sync_client_kwargs=http_options(seconds),
        )
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(
        model=provider.model,
        base_url=provider.base_url,
        api_key=lambda: provider.api_key,
        temperature=TEMPERATURE,
        max_completion_tokens=MOST_TOKENS,
        max_retries=0,
        timeout=seconds,
        use_responses_api=False,
        http_client=httpx.Client(**http_options(seconds)),
    )
