"""What people read when a gate, a record, a signature or a promotion is refused, and what to do."""

SENTENCES = {
    "admins_start": "Only an administrator starts a gate. Nothing was begun.",
    "not_agent": "{version} is no agent, and gates compare agents. Nothing was begun.",
    "other_site": "The run that made {version} belongs to another site. Nothing was begun.",
    "itself": "{version} serves already, so there is nothing to compare it with. Choose another candidate.",
    "no_endpoint_role": "The baseline {version} is no agent. Choose the version that serves.",
    "demo_profile": "The profile “{profile}” is for demonstrations, and this deployment refuses those. Choose another.",
    "running": "{version} is being compared already; its page shows how far it is.",
    "failed_before": (
        "{version} did not pass gate {gate}, and what fails one gate is not compared again. Train another version."
    ),
    "decided": (
        "{version} was compared with {baseline} by this very profile in gate {gate}. Asking again until it passes would"
        " prove nothing; train another version, or choose a profile with more cases."
    ),
    "again_only_broken": "Only a gate that broke off is begun again. This one has its result.",
    "not_this_version": (
        "What answers at the address of {version} is not {version}: {why} Nothing was decided. Bring it up again."
    ),
    "few_pairs": (
        "Only {n} of {total} cases have an outcome on both sides, and {needed} are needed ({why}). What was played is"
        " kept: begin again to play the rest."
    ),
    "profile_changed": "The profile “{profile}” was changed since this gate was asked for. Start a new one.",
    "not_passed": "A change record is written of a gate that was passed. This one was not.",
    "who_writes": "An administrator or an adjudicator of the site writes the change record. Nothing was saved.",
    "needs_texts": "Say what was changed, how it was tried and what it means: none of the three may be empty.",
    "signed_already": "This record carries a signature, so it stays as it is.",
    "read_another": "The record was changed after you opened it. Read it again before you sign. Nothing was signed.",
    "changed_since": "What this record describes has changed since it was written. Write it again before it is signed.",
    "physician_signs": "An adjudicating physician of this site signs here. Nothing was signed.",
    "admin_signs": "An administrator of this site signs here. Nothing was signed.",
    "no_role": "A record is signed as physician or as administrator. Nothing was signed.",
    "starter": "You started the run that made this version, so somebody else has to sign. Nothing was signed.",
    "starter_promotes": (
        "You started the run that made {version}, so another administrator lets it serve. Nothing was changed."
    ),
    "once_each": "This signature is given already. Nothing was signed.",
    "two_people": "You signed already, and the two signatures are two different people's. Nothing was signed.",
    "no_gate": "{version} has not passed a gate, so it cannot serve. Start one.",
    "failed_gate": "{version} did not pass gate {gate}, so it cannot serve, whatever another gate says.",
    "newest_not_passed": "The newest gate of {version} is {status}; an older one that was passed does not stand.",
    "profile_not_allowed": (
        "{version} passed by the profile “{profile}” alone, which is for demonstrations. This deployment asks for"
        " another: start a gate with it."
    ),
    "another_serves": (
        "{version} was compared with {baseline}, but {serving} serves now. Start a gate against what serves."
    ),
    "no_record": "{version} passed its gate, but nobody wrote the change record yet.",
    "unsigned": "The change record of {version} still needs the signature of {missing}.",
    "wrong_signers": "The signatures of {version} are not those of two people other than who started its run.",
}
