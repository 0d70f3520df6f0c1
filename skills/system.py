"""The state of this computer."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Literal

from otto import skill, spoken

GIGABYTE = 1e9
CPU_SECONDS = 0.5  # to watch the processor for


@skill(read_only=True)
def system(what: Literal["battery", "cpu", "memory", "disk", "network"]) -> str:
    """Tell how this computer is doing: battery, processor, memory, disk space or network.

    Args:
        what: the part to report on
    """
    return {"battery": _battery, "cpu": _cpu, "memory": _memory, "disk": _disk, "network": _network}[what]()


def _battery() -> str:
    import psutil

    read = getattr(psutil, "sensors_battery", None)  # not on every system
    battery = read() if read else None
    if battery is None:
        return "This computer has no battery."
    charge = f"The battery is at {round(battery.percent)} percent"
    if battery.power_plugged:
        return f"{charge} and plugged in."
    left = f" with {spoken.duration(battery.secsleft // 60 * 60)} left" if battery.secsleft > 60 else ""
    return f"{charge}{left}."


def _cpu() -> str:
    import psutil

    share = round(psutil.cpu_percent(interval=CPU_SECONDS))
    count = psutil.cpu_count() or 1
    return f"The processor is {share} percent busy, over {count} core{'s' * (count > 1)}."


def _memory() -> str:
    import psutil

    memory = psutil.virtual_memory()
    return f"{round(memory.percent)} percent of {_gigabytes(memory.total)} of memory is in use; {_gigabytes(memory.available)} is available."


def _disk() -> str:
    import psutil

    disk = psutil.disk_usage(str(Path.home()))
    return f"{_gigabytes(disk.free)} of {_gigabytes(disk.total)} is free on the disk."


def _network() -> str:
    import psutil

    up = {name for name, state in psutil.net_if_stats().items() if state.isup}
    found = [
        f"{name} with the address {address.address}"
        for name, addresses in psutil.net_if_addrs().items()
        for address in addresses
        if name in up and address.family == socket.AF_INET and not address.address.startswith(("127.", "169.254."))
    ]
    return f"Connected through {spoken.listing(found)}." if found else "This computer is not connected to a network."


def _gigabytes(count: float) -> str:
    return f"{count / GIGABYTE:.3g} gigabytes" if count < 1000 * GIGABYTE else f"{count / GIGABYTE / 1000:.3g} terabytes"
