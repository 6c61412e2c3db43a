"""A filter for system calls that no exercise needs, in the kernel's own little language.

Namespaces and limits do the rest; this closes what they leave open: memory that belongs to no process (System V shared
memory, memfd), signs between workers by files that both can read (flock, inotify), new processes of any kind, sockets
that no network namespace holds (vsock), and the calls that kernels have had most trouble with. A refused call gets
EPERM, clone3 ENOSYS so that the C library turns to clone and is refused there. On other machines than these two there
is no filter, and the rest has to do.
"""

import errno
import platform
import struct

# <asm/unistd.h> of each architecture; a name is only here for whoever reads it.
X86 = {
    "shmget": 29, "shmat": 30, "socket": 41, "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58, "semget": 64,
    "msgget": 68, "flock": 73, "ptrace": 101, "pivot_root": 155, "chroot": 161, "mount": 165, "umount2": 166,
    "init_module": 175, "add_key": 248, "request_key": 249, "keyctl": 250, "inotify_init": 253, "unshare": 272,
    "inotify_init1": 294, "perf_event_open": 298, "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310,
    "process_vm_writev": 311, "finit_module": 313, "memfd_create": 319, "bpf": 321, "userfaultfd": 323,
    "io_uring_setup": 425, "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsmount": 432, "clone3": 435,
    "mount_setattr": 442, "memfd_secret": 447,
}  # fmt: skip
ARM = {
    "inotify_init1": 26, "flock": 32, "umount2": 39, "mount": 40, "pivot_root": 41, "chroot": 51, "unshare": 97,
    "init_module": 105, "ptrace": 117, "msgget": 186, "semget": 190, "shmget": 194, "shmat": 196, "socket": 198,
    "socketpair": 199, "add_key": 217, "request_key": 218, "keyctl": 219, "clone": 220, "perf_event_open": 241,
    "open_by_handle_at": 265, "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271, "finit_module": 273,
    "memfd_create": 279, "bpf": 280, "userfaultfd": 282, "io_uring_setup": 425, "open_tree": 428, "move_mount": 429,
    "fsopen": 430, "fsmount": 432, "clone3": 435, "mount_setattr": 442, "memfd_secret": 447,
}  # fmt: skip
MACHINES = {"x86_64": (0xC000003E, X86), "aarch64": (0xC00000B7, ARM)}  # <linux/audit.h>

LOAD, IS, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000, 0x80000000
X32 = 0x40000000  # the other way to call x86-64, with numbers of its own


def program(machine: str | None = None) -> bytes:
    """The filter for this machine; b"" where there is none."""
    if (machine or platform.machine()) not in MACHINES:
        return b""
    architecture, calls = MACHINES[machine or platform.machine()]
    lines = [(LOAD, 0, 0, 4), (IS, 1, 0, architecture), (RETURN, 0, 0, KILL)]
    lines += [(LOAD, 0, 0, 0), (AT_LEAST, 0, 1, X32), (RETURN, 0, 0, KILL)]
    for name, number in calls.items():
        why = errno.ENOSYS if name == "clone3" else errno.EPERM
        lines += [(IS, 0, 1, number), (RETURN, 0, 0, REFUSE | why)]
    lines.append((RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("<HBBI", *line) for line in lines)
