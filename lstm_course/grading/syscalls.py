"""The system calls that are refused to a guest in bubblewrap, as a filter for the kernel (seccomp).

A guest stays one process, so that what one process may use is all that it can use. It opens no
sockets, which namespaces alone would leave to local ones, and it keeps no memory outside its
address space, where no limit would count it.
"""

import errno
import platform
import struct

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""What the kernel calls these processors in a filter."""
REFUSED = {
    "fork": (57, None),
    "vfork": (58, None),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
}
"""Their numbers on x86_64 and on aarch64, which has no fork."""
CLONE = {"x86_64": 56, "aarch64": 220}
CLONE3, CLONE_THREAD, X32 = 435, 0x10000, 0x40000000

# Instructions of a filter: load a word of the call, jump if it is equal, larger or has a bit set.
LOAD, EQUAL, LARGER, BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16
ALLOW, KILL, FAIL = 0x7FFF0000, 0x80000000, 0x00050000


def is_known() -> bool:
    """Return whether there is a filter for this machine's processor."""
    return platform.machine() in ARCHITECTURES


def filter_of(machine: str) -> bytes:
    """Return the filter for a processor, as the kernel reads it.

    Examples
    --------
    >>> len(filter_of("x86_64")) % 8
    0
    """
    k = list(ARCHITECTURES).index(machine)
    numbers = (of_both[k] for of_both in REFUSED.values())
    refused = [number for number in numbers if number is not None]
    program = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, ARCHITECTURES[machine]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
        (LARGER, 0, 1, X32),  # another way to make the same calls on x86_64
        (RETURN, 0, 0, KILL),
        (EQUAL, 0, 1, CLONE3),  # its flags are out of sight; without it, clone is used
        (RETURN, 0, 0, FAIL | errno.ENOSYS),
    ]
    for number in refused:
        program += [(EQUAL, 0, 1, number), (RETURN, 0, 0, FAIL | errno.EPERM)]
    program += [
        (EQUAL, 0, 3, CLONE[machine]),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (BIT, 1, 0, CLONE_THREAD),
        (RETURN, 0, 0, FAIL | errno.EPERM),
        (RETURN, 0, 0, ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *one) for one in program)
