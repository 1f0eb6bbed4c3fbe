"""Whether a column became personal, or stopped being so, as its schema says. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from mend.contracts.matching import Caution
from mend.remap.columns import Column
from mend.remap.judge import Judgement

YES = {"true", "1", "yes"}


def is_personal(one: Column) -> bool:
    """Whether the schema says that a column is about a person."""
    return one.facts.get("pii", "").lower() in YES


def personal_changes(
    old: Mapping[str, Column], new: Mapping[str, Column], judged: Sequence[Judgement]
) -> Iterable[Caution]:
    """Tell of columns whose class of personal data changed, under the same name or a proposed one."""
    pairs = [(path, path) for path in old if path in new]
    pairs += [(one.proposal.old, one.proposal.new) for one in judged if one.proposal.action != "none"]
    for path, to in pairs:
        if is_personal(old[path]) != is_personal(new[to]):
            said = (
                "was personal and is not said to be" if is_personal(old[path]) else "was not personal and is said to be"
            )
            yield Caution(kind="personal_data", column=path, why=f"it {said}{'' if path == to else f' as {to!r}'}")
