"""Sound files of any kind to frames, read as a stream: a file of hours costs no more memory than one of seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from otto.audio.resample import FrameCutter, Resampler
from otto.errors import AudioError
from otto.messages import AudioFrame

_MEND = "give a sound file such as WAV, FLAC, MP3 or OGG"


def read_audio(path: str | Path) -> Iterator[AudioFrame]:
    """Yield a file's sound as frames of 512 samples (the last may be shorter), 16 kHz mono, whatever it was recorded in.

    Raises:
        AudioError: the file is missing, may not be read, is empty, holds no sound, or is damaged. Damage in the middle is
            raised after the frames before it.
    """
    import av

    path = Path(path)
    _check(path)
    try:
        with av.open(str(path), mode="r", metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise AudioError(f"{path} holds no sound", _MEND)
            cutter, resampler = FrameCutter(), Resampler()
            empty = True
            for decoded in container.decode(container.streams.audio[0]):
                for frame in cutter.push(resampler.push(decoded)):
                    empty = False
                    yield frame
            for frame in (*cutter.push(resampler.push(None)), *cutter.flush()):
                empty = False
                yield frame
    except PermissionError:
        raise AudioError(f"{path} may not be read", f"change its permissions: chmod +r {path}") from None
    except (av.FFmpegError, ValueError, OSError):
        raise AudioError(f"{path} is not a sound file or is damaged", _MEND) from None
    if empty:
        raise AudioError(f"{path} is empty", _MEND)


def _check(path: Path) -> None:
    try:
        if not path.exists():
            raise AudioError(f"{path} does not exist", "check the name and the folder")
        if path.is_dir():
            raise AudioError(f"{path} is a folder", _MEND)
        if path.stat().st_size == 0:
            raise AudioError(f"{path} is empty", _MEND)
    except (OSError, ValueError) as error:
        raise AudioError(f"{str(path)!r} cannot be read ({error})", "check the name and the folder") from None
