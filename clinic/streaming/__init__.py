"""Durable streaming: an agent's words reach every socket at once, and the database within a tenth of a second.

One producer task per agent turn reads the model and feeds a `Stream`. The hub hands each piece to the sockets of
this process; the committer writes what all streams gathered as one statement, fenced by lease and attempt. Events
in the database are the truth: a socket replays them, then goes live; other processes are only woken.
"""
