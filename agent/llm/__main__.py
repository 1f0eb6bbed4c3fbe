"""The process of the model: a question a line on stdin, a reply a line on stdout. It ends with its stdin."""

import os
import signal
import sys

from agent.llm.consult import consult
from agent.llm.question import Question, Reply
from mend.contracts import codec
from mend.contracts.decision import Proposal

GRACE = 1.0


def main() -> None:
    """Answer until nobody asks. A question that outlives its time ends the process, should its owner be gone."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what libraries print is no reply
    for line in sys.stdin.buffer:
        question = codec.loads(Question, line)
        signal.setitimer(signal.ITIMER_REAL, question.seconds + GRACE)
        replies.write(codec.dumps(reply(question)) + b"\n")
        replies.flush()
        signal.setitimer(signal.ITIMER_REAL, 0)


def reply(question: Question) -> Reply:
    """Return what came of a question."""
    found = consult(question)
    return Reply(proposal=found) if isinstance(found, Proposal) else Reply(why_not=found)


if __name__ == "__main__":
    main()
