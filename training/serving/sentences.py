"""What people read when a version cannot be served, promoted or taken back, and what to do."""

SENTENCES = {
    "admins": "Only an administrator decides which version serves. Nothing was changed.",
    "no_result": "The run folder {folder} holds neither an adapter nor a model, so there is nothing to register.",
    "broken_weights": "The trained weights answered the identity probes with what is no number: {why}.",
    "no_base": "The base weights of {version} are not on this machine, so it cannot be served here.",
    "cannot_merge": "The adapter of {version} does not go into its base: {why}. Nothing was changed.",
    "not_agent": "{version} is no agent. World models are started by whoever needs them.",
    "nobody_serves": (
        "Nothing here starts servers for versions. Start Rounds with run.py, or set SERVING=lora and LORA_URL to a"
        " vLLM server that loads adapters."
    ),
    "no_place": (
        "This machine runs two servers at once, and {other} has the second one as {as_}. Take it out first, then"
        " {version} gets its place. Nothing was changed."
    ),
    "failed": "The server of {version} did not start: {why} Nothing was changed.",
    "starting": "The server of {version} is starting; it takes about half a minute.",
    "late": "The server of {version} was not ready after {seconds:.0f} s. It goes on starting; try again in a minute.",
    "lora": "The model server does not load the adapter of {version}: {why}. Nothing was changed.",
    "no_adapter": "{version} has no adapter of its own, so it cannot be loaded by name.",
    "wrong_identity": "What answers for {version} is not {version}: {why} Nothing was changed, and an alarm is open.",
    "silent": "The server of {version} does not answer. Nothing was changed; try again in a minute.",
    "serves": "{version} serves already.",
    "serves_no_more": "{version} does not serve any more, so nothing was taken back. Look at the page again.",
    "nothing_before": "No version served before {version}, so there is nothing to go back to.",
    "nobody": "No version serves, so there is nothing to take back.",
    "not_beside": "{version} is neither shadow nor canary. Nothing was changed.",
    "needs_reason": "Say why: clinicians and the audit log read it. Nothing was changed.",
    "share": "A canary answers more than none and fewer than all new consultations: a share like 0.1.",
    "one_shadow": "{other} is in shadow already. Take it out first; two would cost every consultation twice.",
    "moved": "Somebody else moved {version} meanwhile. Look at the page again; nothing was changed.",
    "not_shadow": "{version} is {status} and cannot go into shadow.",
    "not_canary": "{version} is {status} and cannot become a canary.",
}
