"""A filter for system calls that no exercise needs, in the kernel's own little language.

Namespaces and limits do the rest; this closes what they leave open: memory that belongs to no process (System V shared
memory, memfd, rings, queues and timers of the kernel, large pipes), signs between workers by files that both can read
(locks, leases, inotify, fanotify), new processes of any kind, sockets that no network namespace holds (vsock), and the
calls that kernels have had most trouble with. A refused call gets EPERM, clone3 ENOSYS so that the C library turns to
clone and is refused there. On other machines than these two there is no filter, and the rest has to do.

No process in there can send a signal, nor end with a status of 128 or more, as one that a signal has ended does. So
where a status says so, somebody outside has killed it or it has crashed: see worker_process.
"""

import errno
import platform
import struct

# <asm/unistd.h> of each architecture; a name is only here for whoever reads it.
NEW = {  # the same number everywhere
    "pidfd_send_signal": 424, "io_uring_setup": 425, "open_tree": 428, "move_mount": 429, "fsopen": 430,
    "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_open": 434, "clone3": 435, "pidfd_getfd": 438,
    "process_madvise": 440, "mount_setattr": 442, "quotactl_fd": 443, "memfd_secret": 447, "process_mrelease": 448,
    "cachestat": 451, "statmount": 457, "listmount": 458,
}  # fmt: skip
X86 = NEW | {
    "mincore": 27, "shmget": 29, "shmat": 30, "socket": 41, "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58,
    "kill": 62, "semget": 64, "msgget": 68, "flock": 73, "ptrace": 101, "syslog": 103, "rt_sigqueueinfo": 129,
    "utime": 132, "uselib": 134, "personality": 135, "setpriority": 141, "sched_setparam": 142,
    "sched_setscheduler": 144, "vhangup": 153, "modify_ldt": 154, "pivot_root": 155, "adjtimex": 159, "chroot": 161,
    "acct": 163, "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169,
    "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173, "init_module": 175, "delete_module": 176,
    "quotactl": 179, "tkill": 200, "sched_setaffinity": 203, "io_setup": 206, "lookup_dcookie": 212,
    "timer_create": 222, "clock_settime": 227, "tgkill": 234, "utimes": 235, "mbind": 237, "set_mempolicy": 238,
    "mq_open": 240, "mq_unlink": 241, "mq_notify": 244, "kexec_load": 246, "add_key": 248, "request_key": 249,
    "keyctl": 250, "ioprio_set": 251, "inotify_init": 253, "migrate_pages": 256, "futimesat": 261, "unshare": 272,
    "splice": 275, "tee": 276, "vmsplice": 278, "move_pages": 279, "utimensat": 280, "inotify_init1": 294,
    "rt_tgsigqueueinfo": 297, "perf_event_open": 298, "fanotify_init": 300, "fanotify_mark": 301,
    "name_to_handle_at": 303, "open_by_handle_at": 304, "clock_adjtime": 305, "setns": 308, "process_vm_readv": 310,
    "process_vm_writev": 311, "kcmp": 312, "finit_module": 313, "sched_setattr": 314, "memfd_create": 319,
    "kexec_file_load": 320, "bpf": 321, "userfaultfd": 323,
}  # fmt: skip
ARM = NEW | {
    "io_setup": 0, "lookup_dcookie": 18, "inotify_init1": 26, "ioprio_set": 30, "flock": 32, "umount2": 39, "mount": 40,
    "pivot_root": 41, "chroot": 51, "vhangup": 58, "quotactl": 60, "vmsplice": 75, "splice": 76, "tee": 77,
    "utimensat": 88, "acct": 89, "personality": 92, "unshare": 97, "kexec_load": 104, "init_module": 105,
    "delete_module": 106, "timer_create": 107, "clock_settime": 112, "syslog": 116, "ptrace": 117,
    "sched_setparam": 118, "sched_setscheduler": 119, "sched_setaffinity": 122, "kill": 129, "tkill": 130,
    "tgkill": 131, "rt_sigqueueinfo": 138, "setpriority": 140, "reboot": 142, "sethostname": 161, "setdomainname": 162,
    "settimeofday": 170, "adjtimex": 171, "mq_open": 180, "mq_unlink": 181, "mq_notify": 184, "msgget": 186,
    "semget": 190, "shmget": 194, "shmat": 196, "socket": 198, "socketpair": 199, "add_key": 217, "request_key": 218,
    "keyctl": 219, "clone": 220, "swapon": 224, "swapoff": 225, "mincore": 232, "mbind": 235, "set_mempolicy": 237,
    "migrate_pages": 238, "move_pages": 239, "rt_tgsigqueueinfo": 240, "perf_event_open": 241, "fanotify_init": 262,
    "fanotify_mark": 263, "name_to_handle_at": 264, "open_by_handle_at": 265, "clock_adjtime": 266, "setns": 268,
    "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272, "finit_module": 273, "sched_setattr": 274,
    "memfd_create": 279, "bpf": 280, "userfaultfd": 282, "kexec_file_load": 294,
}  # fmt: skip
MACHINES = {"x86_64": (0xC000003E, X86), "aarch64": (0xC00000B7, ARM)}  # <linux/audit.h>
FCNTL = {"x86_64": 72, "aarch64": 25}
FCNTL_ALLOWED = (0, 1, 2, 3, 4, 1030)  # copies of a descriptor and its flags: no locks, leases, signals, larger pipes
ENDS = {"x86_64": (60, 231), "aarch64": (93, 94)}  # exit, exit_group
LIMITS = {"x86_64": (160, 302), "aarch64": (164, 261)}  # setrlimit, prlimit64

LOAD, IS, AT_LEAST, HAS_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
NUMBER, MACHINE, FIRST, SECOND = 0, 4, 16, 24  # where they stand in what a filter sees: the call, its arguments
X32 = 0x40000000  # the other way to call x86-64, with numbers of its own

Line = tuple[int, int, int, int]  # what to do, how many lines to skip if yes and if no, with which number


def program(machine: str | None = None) -> bytes:
    """The filter for this machine; b"" where there is none."""
    machine = machine or platform.machine()
    if machine not in MACHINES:
        return b""
    architecture, calls = MACHINES[machine]
    lines: list[Line] = [(LOAD, 0, 0, MACHINE), (IS, 1, 0, architecture), (RETURN, 0, 0, KILL)]
    lines += [(LOAD, 0, 0, NUMBER), (AT_LEAST, 0, 1, X32), (RETURN, 0, 0, KILL)]
    for name, number in calls.items():
        lines += [(IS, 0, 1, number), (RETURN, 0, 0, 0x00050000 | errno.ENOSYS if name == "clone3" else REFUSE)]
    commands: list[Line] = [(IS, len(FCNTL_ALLOWED) - place, 0, command) for place, command in enumerate(FCNTL_ALLOWED)]
    lines += of_one_call(FCNTL[machine], [(LOAD, 0, 0, SECOND), *commands])
    for number in ENDS[machine]:
        lines += of_one_call(number, [(LOAD, 0, 0, FIRST), (HAS_BIT, 0, 1, 0x80)])
    for number, resource in zip(LIMITS[machine], (FIRST, SECOND), strict=True):  # a lower RLIMIT_CPU would be a signal
        lines += of_one_call(number, [(LOAD, 0, 0, resource), (IS, 0, 1, 0)])
    lines.append((RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("<HBBI", *line) for line in lines)


def of_one_call(number: int, question: list[Line]) -> list[Line]:
    """Lines that ask for more where it is this call; the question's skips lead to one of the two lines at its end."""
    return [(IS, 0, len(question) + 2, number), *question, (RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW)]
