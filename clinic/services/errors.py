"""The sentences people read when something is refused or fails: what is safe, and what to do."""


class Refused(Exception):
    """The request is understood and not allowed; `str()` is the sentence to show."""


SENTENCES = {
    "policy_unavailable": "The diagnostic agent is not answering. Your words are saved; try again in a minute.",
    "policy_error": "The diagnostic agent refused the request. Your words are saved; tell your administrator.",
    "policy_timeout": "The diagnostic agent stopped in the middle of its answer. What you entered is saved; try again.",
    "malformed": "The agent's answer could not be read as one clear action, so it is not shown as one. Try again.",
    "stopped": "You stopped the agent. Everything entered is saved; continue when you are ready.",
    "untrained_patient": (
        "An untrained model serves at present, so real patients' cases are refused. Use a virtual or published case."
    ),
    "no_agent": "No diagnostic agent is registered yet. Nothing is lost; ask your administrator to start one.",
    "stale": "This consultation has moved on in another window. The page now shows its latest state.",
    "internal": "Something failed on our side. Everything entered is saved; try again, and report it if it stays.",
}
