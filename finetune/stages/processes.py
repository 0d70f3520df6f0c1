"""One process, or several that torchrun or `accelerate launch` started: which of them writes, and what all of them know."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from otto.errors import UsageError

T = TypeVar("T")
R = TypeVar("R")


def promised() -> int:
    """How many processes the launcher says there are."""
    return int(os.environ.get("WORLD_SIZE", 1))


def on_this_machine() -> int:
    """How many of them share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def is_main() -> bool:
    """Whether this is the process that writes and prints. Known before the processes have met."""
    return int(os.environ.get("RANK", 0)) == 0


def is_split() -> bool:
    """Whether `accelerate launch` splits the weights among the processes (FSDP, DeepSpeed), so that they do everything together."""
    return any(os.environ.get(f"ACCELERATE_USE_{name}", "").lower() == "true" for name in ("FSDP", "DEEPSPEED"))


def join(gpu: bool) -> None:
    """Meet the other processes: over NCCL on GPUs, over gloo on CPUs. Raises UsageError where others are missing."""
    if promised() > 1:
        from accelerate import PartialState

        PartialState(cpu=not gpu)
    if count() != promised():
        raise UsageError(f"The launcher promised {promised()} processes and {count()} came", "start them with: torchrun --nproc-per-node=N")


def count() -> int:
    """How many processes train together."""
    from torch import distributed

    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def on_main(work: Callable[[], T]) -> T:
    """What `work` gives in the first process, in all of them; or raises there."""
    if count() == 1:
        return work()
    from torch import distributed

    box: list[Any] = [None, None]
    if is_main():
        try:
            box[0] = work()
        except Exception as error:  # noqa: BLE001  raised below, in every process
            box[1] = error
    distributed.broadcast_object_list(box, src=0)
    if box[1] is not None:
        raise box[1]
    return box[0]  # type: ignore[no-any-return]


def spread(work: Callable[[Sequence[T]], list[R]], items: Sequence[T]) -> list[R]:
    """What `work` makes of the items, in their order, each process having done its part.

    The parts are equally long, the last ones filled up with items that others do too: models that are split answer together.
    """
    if count() == 1 or not items:
        return work(items)
    from accelerate.utils import gather_object

    size = -(-len(items) // count())
    first = size * int(os.environ["RANK"])
    found: list[R] = gather_object(work([items[index % len(items)] for index in range(first, first + size)]))
    return found[: len(items)]


def total(value: Any) -> Any:
    """The sum of a tensor over the processes."""
    if count() > 1:
        from torch import distributed

        value = value.detach().clone()
        distributed.all_reduce(value)
    return value


def in_any(flag: bool, device: Any) -> bool:
    """Whether it is so in one of the processes."""
    if count() == 1:
        return flag
    import torch

    return bool(total(torch.tensor(float(flag), device=device)))
