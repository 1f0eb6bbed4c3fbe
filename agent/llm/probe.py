"""Whether the configured model answers, without asking it anything."""

from typing import Any

import orjson
import urllib3

from agent.llm.question import Provider
from mend.runtime.errors import UserError

SECONDS = 2.0
LARGEST = 1024 * 1024
STATUS_OK = 200


def probe(provider: Provider) -> str:
    """Return what answers where; a UserError says what is missing: the server, the key or the model."""
    ollama = provider.name == "ollama"
    if not ollama and not provider.api_key:
        raise UserError("OPENAI_API_KEY is not set. The rules decide alone.")
    known = models(provider, "/api/tags" if ollama else "/models", "models" if ollama else "data")
    if ollama and not {provider.model, f"{provider.model}:latest"} & known:
        raise UserError(f"Ollama has no model {provider.model}. Run: ollama pull {provider.model}")
    if not ollama and known and provider.model not in known:
        raise UserError(f"the API has no model {provider.model}. Set OPENAI_MODEL.")
    return f"{provider.name} answers, with {provider.model}"


def models(provider: Provider, path: str, key: str) -> set[str]:
    """Return the names of the models that the server has."""
    headers = {"authorization": f"Bearer {provider.api_key}"} if provider.api_key else {}
    try:
        with urllib3.PoolManager(timeout=SECONDS, retries=False) as pool:
            answer = pool.request(
                "GET", provider.base_url.rstrip("/") + path, headers=headers, redirect=False, preload_content=False
            )
            content = answer.read(LARGEST)
        if answer.status != STATUS_OK:
            raise UserError(f"{provider.name} answers with status {answer.status}. The rules decide alone.")
        document: Any = orjson.loads(content)
        return {str(one.get("name") or one.get("id")) for one in document[key]}
    except urllib3.exceptions.HTTPError as error:
        raise UserError(f"{provider.name} does not answer ({type(error).__name__}). The rules decide alone.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"what answers does not speak as {provider.name} does. Check its address.") from error
