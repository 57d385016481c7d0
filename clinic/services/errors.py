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
    "not_yours": "Only the clinician who holds this consultation can steer it. You can still read it.",
    "thinking": "The agent is still working. Wait for its answer, or stop it first.",
    "closed": "This consultation is closed. Open a new one on the same case to go on.",
    "nothing_to_order": "The agent has not recommended an examination. Name the one you want.",
    "nothing_to_answer": "The agent has not asked a question. Write what you want to tell it as a message.",
    "nothing_to_retry": "The agent's last answer is complete, so there is nothing to try again.",
    "needs_text": "Nothing was entered. Write something first; the rest is unchanged.",
    "enter_result": "This is a real patient: order the examination in the usual way and enter its result here.",
    "patient_alone": "A real patient's case cannot be played: its results come from the ward, not from a simulation.",
    "agent_is_there": "The agent already takes part in this consultation; it answers after your next step.",
    "may_not_consult": "Your role does not hold consultations. Ask an administrator if that should change.",
    "internal": "Something failed on our side. Everything entered is saved; try again, and report it if it stays.",
}
