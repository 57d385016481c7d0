"""What /proc says of processes; slim machines have no ps."""

from pathlib import Path

from clinic.local import keeper as keeper_script


def descendants(pid):
    """Every process below `pid`, with its start time, whatever it made of its environment and session."""
    children = {}
    for folder in Path("/proc").glob("[0-9]*"):
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        children.setdefault(int(fields[1]), []).append((int(folder.name), int(fields[19])))
    found, queue = [], [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += [child for child, _ in below]
    return found


def alive(processes):
    def is_alive(pid, started):
        try:
            return keeper_script.read_stat(pid)[1] == started
        except OSError:
            return False

    return [pid for pid, started in processes if is_alive(pid, started)]
