"""The page that the Temporal UI shows of a withdrawal: how it stands, and what it waits for."""

from services.psp_gateway.workflows.models import Standing


def details(standing: Standing) -> str:
    """Return the page, in Markdown."""
    lines = [f"## {standing.state}", "", f"{standing.why}.", "", "| | |", "| --- | --- |"]
    for name, value in (
        ("amount", standing.amount),
        ("provider account", standing.provider_account),
        ("waits for", standing.waiting_for.lower()),
        ("next", _next(standing)),
    ):
        if value:
            lines.append(f"| {name} | {value} |")
    if standing.attempts:
        lines += ["", "| attempt | at | outcome | the provider says |", "| --- | --- | --- | --- |"]
        for one in standing.attempts:
            said = " ".join(filter(None, (one.provider_state, one.failure_code)))
            lines.append(
                f"| {one.number} | {one.provider_account} | {one.outcome or 'no answer'} | {said} |"
            )
    return "\n".join(lines)


def _next(standing: Standing) -> str:
    if standing.step == "NOTHING":
        return ""
    step = standing.step.lower().replace("_", " ")
    return f"{step} in {_duration(standing.pause_s)}" if standing.pause_s else step


def _duration(seconds: float) -> str:
    """Return a duration as people say it, in its largest whole unit or two."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [
        f"{count} {unit}"
        for count, unit in ((days, "d"), (hours, "h"), (minutes, "min"), (rest, "s"))
        if count
    ]
    return " ".join(parts[:2]) or "less than a second"
