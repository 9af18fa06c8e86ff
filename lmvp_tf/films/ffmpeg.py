"""The program ffmpeg: what it says of a file, and the frames that it decodes.

It is the one that imageio-ffmpeg ships. PyAV is as fast, but its releases drop Python versions that
TensorFlow still has, and it leaves rotation and pixels that are not square to the caller.
"""

from __future__ import annotations

import dataclasses
import fractions
import math
import os
import pathlib
import re
import signal
import tempfile
from collections.abc import Callable, Iterator

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

from lmvp_tf.errors import UserError
from lmvp_tf.films import ffmpeg_process
from lmvp_tf.films.ffmpeg_process import Ffmpeg
from lmvp_tf.films.film import shown
from lmvp_tf.films.limits import LIMITS
from lmvp_tf.readers import check_regular

# What is a film by itself, and no list of other files or addresses (hls, dash, concat, imf, sdp).
_FORMATS = (
    "3dostr,4xm,amv,apng,asf,av1,avi,avs,avs2,avs3,bethsoftvid,bfi,bink,c93,cavsvideo,cdxl,cine,"
    "dhav,dirac,dnxhd,dsicin,dv,dxa,ea,evc,film_cpk,filmstrip,flic,flv,gdv,gif,gxf,h261,h263,h264,"
    "hevc,hnm,idcin,iff,ingenient,ipmovie,ipu,ivf,iv8,jpegxl_anim,jv,kux,live_flv,lmlm4,lvf,lxf,"
    "m4v,matroska,mcc,mgsts,mjpeg,mjpeg_2000,mlv,mm,moflex,mov,mpeg,mpegts,mpegvideo,mpjpeg,msf,"
    "mtv,mv,mvi,mxf,mxg,nc,nsv,nut,nuv,obu,ogg,paf,pmp,pva,pvf,r3d,rl2,rm,roq,rpl,sga,siff,smjpeg,"
    "smk,smush,sol,swf,thp,tiertexseq,tmv,ty,usm,vc1,vc1test,vidc,vividas,vivo,vmd,vvc,wc3movie,"
    "webp_anim,wsvqa,wtv,wve,xmv,yop,yuv4mpegpipe"
)
_MOST_BYTES = 2**30  # that ffmpeg takes at a time: a table of absurd length takes more
_UNKNOWN = -(2**63)  # ffmpeg's time stamp of a packet that has none
_ASPECTS = (1 / 8, 8)  # of pixels; a file that says more is wrong
_TIME_GOES_BACK = re.compile("non[- ]monoton", re.IGNORECASE)  # nothing that would keep us
_MEANING = {  # ffmpeg's words, and what they mean for somebody who has the file
    "moov atom not found": "its index is missing: the recording or a download was cut off",
    "matches no streams": "there are no pictures in it",
}
# How lines begin that ffmpeg adds after it has said what is wrong.
_AFTERMATH = ("Error opening", "Error parsing", "Failed to set value", "Conversion failed")


@dataclasses.dataclass(frozen=True)
class Stream:
    """What ffmpeg says of the pictures in a file.

    Attributes:
      width: of the stored picture after rotation, pixels.
      height: of the stored picture after rotation, pixels.
      aspect: width of a pixel over its height.
      pixel_format: ffmpeg's name of it.
      transfer: ffmpeg's name of the brightness curve.
      codec: ffmpeg's name of it.
      alpha_beside: whether transparency is stored beside the stream, where decoders overlook it.
      fps: what the file states; 0 where it states none.
      tick: the unit of `stamps`, seconds.
      packets: how many packets the film has: one a frame.
      stamps: int64 [N], when each frame is shown, increasing; None where the file does not say.
    """

    width: int
    height: int
    aspect: fractions.Fraction
    pixel_format: str
    transfer: str
    codec: str
    alpha_beside: bool
    fps: float
    tick: fractions.Fraction
    packets: int
    stamps: npt.NDArray[np.int64] | None


def probe(path: pathlib.Path) -> Stream:
    """Decodes the first picture and goes through the packets without decoding them.

    Raises:
      UserError: ffmpeg cannot read the file, or hangs at it, or there are no pictures in it.
    """
    try:
        check_regular(path)
    except OSError as error:
        raise UserError(f"{shown(path)}: {error.strerror}") from error
    if path.is_file() and not path.stat().st_size:
        raise UserError(f"{shown(path)}: the file is empty")
    first = ["-frames:v", "1", "-vf", "showinfo=checksum=0", "-f", "null", "-"]
    packets = ["-c", "copy", "-copyinkf", "-f", "framecrc", "-"]
    command = [*_command(path, "-v", "level+info"), *packets, "-map", "0:V:0", *first]
    listed, log = ffmpeg_process.output(path, command)
    picture = re.search(
        r"\bn: *0 pts: *(?P<pts>-?\d+|NOPTS) .*?\bfmt:(?P<fmt>\w+) .*?\bsar:(?P<sar>\d+/\d+) "
        r"s:(?P<width>\d+)x(?P<height>\d+) ",
        log,
    )
    stream = re.search(r"Stream #0:\d+.*: Video: (?P<codec>\w+)(?P<rest>.*)", log)
    tick = re.search(rb"#tb 0: (\d+/\d+)", listed)
    if not (picture and stream and tick) or "Input #0, tty," in log:
        raise UserError(f"{shown(path)}: not a film that ffmpeg can read ({_reason(log)})")
    LIMITS.check_size(path, int(picture["width"]), int(picture["height"]))
    stamps = _stamps(listed)
    known = picture["pts"] != "NOPTS" and not np.any(stamps == _UNKNOWN)
    if _TIME_GOES_BACK.search(log):  # joined byte by byte, its time begins again in the middle
        known = False
        anew = [*_command(path), "-bsf:v", "setts=pts=N:dts=N", *packets]
        stamps = _stamps(ffmpeg_process.output(path, anew)[0])
    fps = re.search(r"\b([\d.]+(?:k)?) fps", stream["rest"])
    transfer = re.search(r"\bcolor_trc:(\S+)", log)
    return Stream(
        width=int(picture["width"]),
        height=int(picture["height"]),
        aspect=_aspect(picture["sar"]),
        pixel_format=picture["fmt"],
        transfer=transfer[1] if transfer else "unknown",
        codec=stream["codec"],
        alpha_beside=bool(re.search(r"alpha_mode +: 1\b", log)),
        fps=float(fps[1].replace("k", "e3")) if fps else 0.0,
        tick=fractions.Fraction(tick[1].decode()),
        packets=len(stamps),
        # What an edit list leaves out comes before the first picture.
        stamps=np.unique(stamps[stamps >= int(picture["pts"])]) if known else None,
    )


def _stamps(packets: bytes) -> npt.NDArray[np.int64]:
    """The time stamps in what ffmpeg's muxer "framecrc" writes, in the order of the packets."""
    return np.array(re.findall(rb"(?m)^0, *-?\d+, *(-?\d+),", packets), np.int64)


def _aspect(text: str) -> fractions.Fraction:
    """The shape of a pixel, as "2/1"; 1 where the file says nothing or nonsense."""
    width, height = map(int, text.split("/"))
    sane = height and _ASPECTS[0] <= width / height <= _ASPECTS[1]
    return fractions.Fraction(width, height) if sane else fractions.Fraction(1)


def _command(path: pathlib.Path, *options: str) -> list[str | bytes]:
    """ffmpeg with a file as its input, and the first stream that is a film.

    The prefix "file:" keeps it from reading a name as a protocol (12:30:05.mp4) or an option.
    """
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-nostats", *options]
    command += ["-protocol_whitelist", "file", "-format_whitelist", _FORMATS]
    command += ["-max_pixels", str(LIMITS.pixels), "-max_alloc", str(_MOST_BYTES)]
    return [*command, "-copyts", "-i", b"file:" + os.fsencode(path), "-map", "0:V:0"]


def decode(
    path: pathlib.Path,
    filters: str,
    size: tuple[int, int],
    tick: fractions.Fraction,
    complain: Callable[[str], None],
    decoder: str | None = None,
    seek: float | None = None,
) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    """Decodes frames.

    Args:
      path: the file.
      filters: a chain of ffmpeg's filters that ends in pictures of that size.
      size: (height, width).
      tick: the unit of the time stamps, seconds.
      complain: called at the end with what ffmpeg said was wrong, if anything was.
      decoder: ffmpeg's name of it; None: its choice.
      seek: seconds; start at the last key frame before it. None: start at the beginning.

    Yields:
      (time stamp, uint8 [H, W, 3]) of each frame.

    Raises:
      UserError: ffmpeg hangs.
    """
    options = ["-c:v", decoder] if decoder else []
    if seek is not None:
        options += ["-noaccurate_seek", "-seek_timestamp", "1", "-ss", f"{seek:.6f}"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        stamps = pathlib.Path(folder) / "stamps"
        command = _command(path, "-v", "level+error", "-max_error_rate", "1", *options)
        command += ["-vf", f"{filters},format=rgb24", "-fps_mode", "passthrough"]
        command += ["-enc_time_base", f"{tick.numerator}:{tick.denominator}"]
        command += ["-stats_enc_pre", str(stamps), "-stats_enc_pre_fmt", "{pts}"]
        command += ["-f", "rawvideo", "-"]
        with ffmpeg_process.running(path, command) as process:
            yield from _frames(process, stamps, (*size, 3))
            process.wait()
            lines = [x for x in process.log.split("\n") if not _TIME_GOES_BACK.search(x)]
        complaints = "\n".join(lines)
        if process.returncode or complaints.strip():
            complain(_reason(complaints, process.returncode))


def _frames(
    process: Ffmpeg, stamps: pathlib.Path, shape: tuple[int, int, int]
) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    """ffmpeg writes a frame's time stamp to a file before the frame goes into the pipe."""
    size = math.prod(shape)
    data = process.read(size)
    if len(data) < size:
        return
    with stamps.open() as lines:
        while len(data) == size:
            yield int(next(lines)), np.frombuffer(data, np.uint8).reshape(shape)
            data = process.read(size)


def _reason(log: str, code: int = 0) -> str:
    """The line of ffmpeg's log that says what is wrong, or what its exit code does."""
    if "detected only with low score" in log:
        return "what is in it is of no known kind"
    if "not on whitelist" in log:
        return (
            "sound alone, a list of other files, or of a kind that is not read: no pictures in it"
        )
    lines = re.findall(r"(?m)^(?:\[[^\n]*? @ \w+\] )*\[(?:error|fatal|panic)\] (.+)$", log)
    telling = [line for line in lines if not line.startswith(_AFTERMATH)]
    silent = f"ended by a signal ({signal.strsignal(-code)})" if code < 0 else "no reason given"
    line = (telling or [line.partition(": ")[2] for line in lines] or [silent])[0]
    meaning = next((text for words, text in _MEANING.items() if words in line), "")
    return f"{line}: {meaning}" if meaning else line
