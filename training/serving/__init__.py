"""Versions that runs made: registered by content, brought up beside who serves, probed, promoted, taken back."""

from training.serving.bringing import bring_up
from training.serving.identity import check_identity
from training.serving.promotion import promote, roll_back, shadow, withdraw
from training.serving.results import register_result
from training.serving.watching import watch

__all__ = ["bring_up", "check_identity", "promote", "register_result", "roll_back", "shadow", "watch", "withdraw"]
