"""The rows of the campaign, by name, in the order they run."""

from rows import canary, clocks, crashes, database, disk, faults, kills, operators, power, repeats

ROWS = {
    "NL-1": kills.random_kills,
    "NL-2": kills.kills_at_syscalls,
    "NL-3": crashes.matrix,
    "NL-4": power.power_cuts,
    "NL-5": disk.failures,
    "DU-1": repeats.no_faults,
    "DU-2": repeats.lost_replies,
    "DU-4": repeats.same_key,
    "TI-1": clocks.precision,
    "TI-2": clocks.jumps,
    "TI-3": clocks.zones,
    "FA-1": faults.isolation,
    "FA-2": faults.rate,
    "FA-3": crashes.poison,
    "SQ-1": database.write_lock,
    "SQ-2": database.long_reader,
    "SQ-5": database.second_process,
    "OP-1": operators.drain,
    "OP-2": operators.backups,
    "OP-4": operators.replay,
    "SE-10": canary.canaries,
}
