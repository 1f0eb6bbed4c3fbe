"""Whether the model answers: people hear once that it does not, and once that it does again."""

from datetime import datetime

from mend.contracts.alert import Alert, AlertKind, AlertSeverity
from mend.contracts.decision import DecisionResult, model_answered
from mend.store.engine import Store


def tell_about_model(store: Store, provider: str, decision: DecisionResult, at: datetime) -> None:
    """Put an alert into the outbox when the model is away since this decision, or back; the decision stands anyway."""
    answered = model_answered(decision.fallback, proposed=decision.proposal is not None)
    cause = cause_of(provider)
    told = store.outbox.head_of(cause)
    last = f"{cause}:{told.id if told else 0}"  # until the next of them is told, each is put once
    known_away = told is not None and told.alert.kind is not AlertKind.RESOLVED
    if answered is False and not known_away:
        store.outbox.put(away(provider, decision), at, once=f"{last}:away")
    if answered and known_away:
        store.outbox.put(back(provider), at, once=f"{last}:back")


def cause_of(provider: str) -> str:
    """Return what the alerts about a model are about."""
    return f"model:{provider}"


def away(provider: str, decision: DecisionResult) -> Alert:
    """Return the alert that the model does not answer."""
    return Alert(
        title=f"the model does not answer ({provider})",
        severity=AlertSeverity.WARNING,
        message=f"It was asked about {decision.run_id or 'a decision'}: {decision.fallback}. Until it is back "
        "the rules of the matrix decide alone, as they do without a model.",
        todo="Look at the provider: mend doctor. Set LLM_PROVIDER=none to do without it.",
        cause=cause_of(provider),
        run_id=decision.run_id,
    )


def back(provider: str) -> Alert:
    """Return the alert that it answers again."""
    return Alert(
        title=f"the model does not answer ({provider})",
        severity=AlertSeverity.WARNING,
        message="It answers again.",
        kind=AlertKind.RESOLVED,
        cause=cause_of(provider),
    )
