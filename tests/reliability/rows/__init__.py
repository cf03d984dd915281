"""The rows of the campaign, by name, in the order they run."""

from rows import disk, kills, power

ROWS = {
    "NL-1": kills.random_kills,
    "NL-2": kills.kills_at_syscalls,
    "NL-4": power.power_cuts,
    "NL-5": disk.failures,
}
