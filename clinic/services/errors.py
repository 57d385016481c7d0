"""The sentences people read when something is refused or fails: what is safe, and what to do."""


class Refused(Exception):
    """The request is understood and not allowed; `str()` is the sentence to show."""


SENTENCES = {
    "policy_unavailable": "The diagnostic agent is not answering. Your words are saved; try again in a minute.",
    "policy_error": "The diagnostic agent refused the request. Your words are saved; tell your administrator.",
    "policy_timeout": "The diagnostic agent stopped in the middle of its answer. What you entered is saved; try again.",
    "context_exceeded": (
        "This consultation has grown longer than the agent can read at once. Everything is saved: undo the last step, "
        "close it with your diagnosis, or start a new consultation on the same case."
    ),
    "malformed": "The agent's answer could not be read as one clear action, so it is not shown as one. Try again.",
    "stopped": "You stopped the agent. Everything entered is saved; continue when you are ready.",
    "untrained_patient": (
        "An untrained model serves at present, so real patients' cases are refused. Use a virtual or published case."
    ),
    "no_agent": "No diagnostic agent is registered yet. Nothing is lost; ask your administrator to start one.",
    "wrong_identity": (
        "The agent's server does not answer as the version that was approved, so it gets no new consultation. "
        "Nothing is lost; your administrator sees the alarm."
    ),
    "not_this_version": (
        "What answers is not the version that this consultation began with, so it was not asked. Everything is saved; "
        "your administrator sees the alarm. Try again when it is mended, or close with your own diagnosis."
    ),
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
    "ledger_open": "Not excluded yet: {names}. Exclude each by evidence, or say why it stays open; nothing was closed.",
    "ledger_reason": "Say why it stays open. The entry is unchanged.",
    "ledger_evidence": "Choose at least one fact of this case that speaks against it. The entry is unchanged.",
    "not_a_recommendation": "The agent has not recommended anything that could be turned down.",
    "why_declined": "Choose why it is not needed. “Other” and a few words is always possible.",
    "words_for_other": "“Other” needs a few words: say why it is not needed.",
    "too_many_at_once": "That is more than can be ordered at once. Order at most {most}; the rest can follow.",
    "nothing_to_undo": "There is no step of yours that could be undone.",
    "paused": "This consultation is paused. Resume it first; everything is as you left it.",
    "not_paused": "This consultation is not paused.",
    "pause_past": "The day on which it goes on must lie ahead. Choose a later one, or none.",
    "no_colleague": "Choose a colleague of your site who holds consultations; only they can take it over.",
    "no_differential": "Name at least one diagnosis. The order counts; a probability is optional.",
    "percent": "Probabilities are percents from 0 to 100, together at most 100. Check them; nothing was changed.",
    "impossible": "{name} {value} {unit} is outside what is physically possible; check the value or the unit.",
    "unit_missing": "{name} needs its unit: {units}. Nothing was entered yet.",
    "not_a_number": "{name}: “{value}” is not a number. Write it without thousands separators, as 1200 or 3.5.",
    "result_empty": "Enter a value or what the report says.",
    "range_reversed": "The reference range of {name} ends below its beginning; check both numbers.",
    "simulated_on_patient": "A simulated result was refused: this is a real patient.",
    "not_given_by_you": "Only the person who gave it can change it.",
    "withdrawn": "This was withdrawn already, which is final.",
    "world_unavailable": (
        "The language world model is not answering, so this examination has no result and none was made up. "
        "Everything so far is saved; try again in a minute."
    ),
    "world_starting": (
        "The language world model is starting, which takes about a minute. Nothing was ordered yet and everything "
        "so far is saved; try again shortly."
    ),
    "world_error": (
        "The language world model refused the request, so there is no result. Everything so far is saved; "
        "tell your administrator."
    ),
    "world_gone": (
        "The world model that this consultation began with is no longer served, and another would contradict it. "
        "What is here stays; open a new consultation on the case to go on."
    ),
    "sealed": "Sealed patients are played by gates alone. Take one of virtual:train, :validation or :test.",
    "no_world": "No language world model is set up here. Let the case answer by itself, or ask your administrator.",
    "world_patient": "A real patient's case is never answered by a world model. Order the examination on the ward.",
    "world_needs_answer": "This record names no diagnosis, and a world model writes results of one. Replay it instead.",
    "world_credentialed": (
        "This record is under a data use agreement, and the world model runs elsewhere. Nothing was sent; "
        "the attempt is in the audit log."
    ),
    "no_answer_yet": "The agent has not answered yet, so there is nothing to compare further answers with.",
    "commit_needs_one": "Name at least one diagnosis. Nothing was committed, and the agent was not asked.",
    "commit_not_asked": "This consultation does not ask for your differential first.",
    "commit_once": "Your differential is committed already, and stays as it is.",
    "commit_percent": "“{typed}” is no percentage from 0 to 100. Nothing was committed; correct it or leave it empty.",
    "commit_first": "Commit your own differential first; the agent is asked after that.",
    "internal": "Something failed on our side. Everything entered is saved; try again, and report it if it stays.",
}


def sentence(code: str) -> str:
    """What people read when an agent's turn failed with this code."""
    return SENTENCES.get(code, SENTENCES["policy_error"])
