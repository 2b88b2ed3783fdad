"""How many files and connections the process may have open."""

import resource

_MOST = 65_536


def raise_open_files() -> int:
    """Lets the process have as many open files as the system grants it, up to 65,536; gives the bound in force.

    What is usual for a shell, 1,024, is less than a thousand streams need, which have two connections each.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= _MOST:
        return _MOST if soft == resource.RLIM_INFINITY else soft
    wanted = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted
