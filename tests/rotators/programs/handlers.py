"""Writes numbered lines through one of logging's handlers, which rotates about 20 times."""

import gzip
import logging
import logging.handlers
import mmap
import os
import sys
import threading
import time

kind, path, lines = sys.argv[1], sys.argv[2], int(sys.argv[3])
ROTATIONS = 22
# What rotates by the second does so at most once in each.
SECONDS = 22.0 if kind == "timed" else 10.0
LINE_LEN = 80


def compressed(source, target):
    with open(source, "rb") as plain, gzip.open(target + ".tmp", "wb") as packed:
        packed.write(plain.read())
    os.rename(target + ".tmp", target)
    os.remove(source)


class Mapped(logging.Handler):
    """Writes into a file that is mapped into memory and longer than what it holds until the end."""

    def open(self, lines):
        self.file = open(path, "w+b")
        self.file.truncate(lines * LINE_LEN * 2)
        self.memory = mmap.mmap(self.file.fileno(), lines * LINE_LEN * 2)
        return self

    def emit(self, record):
        self.memory.write(self.format(record).encode() + b"\n")

    def close(self):
        length = self.memory.tell()
        self.memory.close()
        self.file.truncate(length)
        super().close()


if kind in ("rotating", "gzip"):
    handler = logging.handlers.RotatingFileHandler(
        path, maxBytes=lines * LINE_LEN // ROTATIONS, backupCount=100
    )
    if kind == "gzip":
        handler.namer = lambda name: name + ".gz"
        handler.rotator = compressed
elif kind == "timed":
    handler = logging.handlers.TimedRotatingFileHandler(path, when="S", interval=1)
elif kind == "watched":
    handler = logging.handlers.WatchedFileHandler(path)
elif kind == "mapped":
    handler = Mapped().open(lines)
else:
    sys.exit("which handler?")

logger = logging.getLogger()
logger.setLevel(logging.INFO)
logger.addHandler(handler)
done = threading.Event()


def rename():
    rotation = 0
    while not done.wait(0.4):
        if os.path.exists(path):
            os.rename(path, "%s.%d" % (path, rotation))
            rotation += 1


thread = threading.Thread(target=rename)
if kind == "watched":
    thread.start()
for number in range(lines):
    logger.info("rotated line %07d with some text behind it, so that it is as long as usual", number)
    if number % 10 == 9:
        time.sleep(SECONDS / lines * 10)
done.set()
if kind == "watched":
    thread.join()
logging.shutdown()
