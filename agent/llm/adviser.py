"""Asks the model that the settings name, within one deadline over everything."""

import time
from typing import Any

from agent.envelope import parse_proposal
from agent.llm.process import ModelProcess
from agent.llm.question import Provider, Question, Reply
from agent.ports import Advice
from mend.contracts import codec
from mend.contracts.codec import ContractError
from mend.contracts.decision import Fallback, Proposal


class ModelAdviser:
    """A model behind a process of its own. Start-up, attempts and tools share the deadline of `seconds`."""

    def __init__(self, provider: Provider, seconds: float, process: ModelProcess | None = None) -> None:
        self.provider = provider
        self.seconds = seconds
        self.process = process or ModelProcess()

    def propose(self, pack: dict[str, Any]) -> Advice:
        """Ask about an evidence pack."""
        start = time.monotonic()
        found = self._reply(pack)
        seconds = round(time.monotonic() - start, 3)
        if isinstance(found, Proposal):
            return Advice(proposal=found, seconds=seconds)
        return Advice(why_not=found, seconds=seconds)

    def _reply(self, pack: dict[str, Any]) -> Proposal | Fallback:
        if self.provider.name == "openai" and not self.provider.api_key:
            return Fallback.NOT_CONFIGURED
        question = Question(provider=self.provider, pack=pack, seconds=self.seconds)
        until = time.monotonic() + self.seconds
        line = self.process.ask(codec.dumps(question), self.seconds)
        if line is None:
            return Fallback.TIME_OUT if time.monotonic() >= until else Fallback.FAILED
        return read_reply(line, pack["run_id"])


def read_reply(line: bytes, run: str) -> Proposal | Fallback:
    """Read what the process said; it is not believed more than the model."""
    try:
        reply = codec.loads(Reply, line)
    except ContractError:
        return Fallback.FAILED
    if reply.proposal is None:
        return reply.why_not or Fallback.FAILED
    return parse_proposal(codec.to_dict(reply.proposal), run)
