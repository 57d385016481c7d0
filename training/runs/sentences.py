"""What people read when a run is refused or ends badly: what is safe, and what to do."""

SENTENCES = {
    "may_not": "Only administrators of this site start, stop and schedule runs. Nothing was changed.",
    "trainer": "There is no trainer “{name}”. Choose one of the list.",
    "recipe": "The recipe “{name}” cannot be used: {why}. Nothing was started.",
    "config": 'The settings must be a table of names and values, as in {{"steps": 100}}. Nothing was started.',
    "own": "“{name}” is set by Rounds itself and cannot be chosen. Nothing was started.",
    "setting": "This trainer has no setting “{name}”; there are {known}. Nothing was started.",
    "value": "The setting “{name}” must be {words}, not {value}. Nothing was started.",
    "seed": "The seed must be a whole number from 0 to {most}. Nothing was started.",
    "snapshot": "{trainer} learns from feedback: choose a snapshot. Nothing was started.",
    "snapshot_site": "This snapshot belongs to another site. Nothing was started.",
    "no_start": "There is no version to go on from. Choose one, or let an agent serve first; nothing was started.",
    "role": "{version} is a {role}, and this trainer teaches the {wanted}. Nothing was started.",
    "no_weights": "The weights that {version} rests on are not on this machine, so it cannot be taught here.",
    "disk": (
        "Run folders hold {used:.1f} GB of the {quota:.1f} GB allowed (TRAINING_DISK_GB), and no old checkpoint is "
        "left to remove. Raise it or delete old run folders; nothing was started."
    ),
    "over": "This run is {status} already; there is nothing to cancel.",
    "not_resumable": "Only a run that broke off or was cancelled can go on; this one is {status}. Clone it instead.",
    "no_checkpoint": "This run left no whole checkpoint to go on from. Clone it to begin again; nothing was changed.",
    "two_ends": (
        "Two tries of this run left different checkpoints, at steps {one} and {other}, so it is not clear which to go "
        "on from. Clone it to begin again; nothing was changed."
    ),
    "damaged": "The last checkpoint is damaged: {why} Clone the run to begin again; nothing was changed.",
    "stopped_often": (
        "Its worker stopped in the middle {times} times, so it is not tried again by itself. Look at the end of the "
        "log; resume it when the reason is gone."
    ),
    "environment": (
        "The training environment could not be made: {why}. Make it with `python3 run.py env train`, then resume "
        "the run."
    ),
    "no_environment": "TRAINER_PYTHON names {path}, which is not there. Correct it, then resume or clone the run.",
    "memory": "The machine ran out of memory and ended the trainer. Its last checkpoint is kept: resume it with less.",
    "device_memory": (
        "The accelerator's memory was too small. Resume or clone the run with smaller batches; its checkpoint is kept."
    ),
    "killed": "Something outside killed the trainer (signal {signal}). Its last checkpoint is kept; resume the run.",
    "stopped": "The trainer was asked to stop from outside and did. Its checkpoint is kept; resume the run.",
    "own_words": "The trainer ended itself: {why}",
    "exit": "The trainer broke off (exit code {code}): {why}",
    "manifest": "The trainer ended well but its folder is not what it should be: {why}. Nothing was registered.",
    "internal": (
        "Something failed on our side ({kind}). The run folder is kept; resume the run, or tell your administrator."
    ),
    "cancelled": "Cancelled by {name}.",
    "cancelled_silent": "Cancelled by {name}; its worker {worker} had gone silent.",
    "broke_off": "“{run}”: {why}",
}
