"""The loop of the first of these clocks, for comparison: it asks the knob every 10 ms and draws each pixel in Python.

No hardware: the knob is a variable, which costs less than reading a pin; the bus is a sleep for as long as 400 kHz take
for the bytes. Drawing and the cutting into writes of 16 bytes are those of the display library it used. It neither keeps
nor sends anything, as far as it goes here.

    python3 polling.py idle|scroll|press SECONDS
"""

import random
import sys
import threading
import time

WIDTH, HEIGHT = 128, 32
TICK = 0.010
BITS_A_SECOND = 400_000
# Twice as wide as the glass: what is in it makes no difference to the loop.
TEXT = [[(x * 7 + y * 13) % 5 == 0 for x in range(2 * WIDTH)] for y in range(HEIGHT)]


class Knob:
    value = 0


class Bus:
    bytes = 0

    def write(self, data):
        self.bytes += 1 + len(data)  # and the address
        return (1 + len(data)) * 9 / BITS_A_SECOND


def draw(offset):
    buffer = bytearray(WIDTH * HEIGHT // 8)
    at = 0
    for page in range(HEIGHT // 8):
        for x in range(WIDTH):
            bits = 0
            for bit in range(8):
                bits = bits << 1 | TEXT[page * 8 + 7 - bit][(x + offset) % (2 * WIDTH)]
            buffer[at] = bits
            at += 1
    return buffer


def send(bus, buffer):
    takes = sum(bus.write(bytes([0, command])) for command in (0x21, 0, WIDTH - 1, 0x22, 0, HEIGHT // 8 - 1))
    takes += sum(bus.write(b"\x40" + buffer[at : at + 16]) for at in range(0, len(buffer), 16))
    time.sleep(takes)


def main(what, seconds):
    knob, bus, seen, frames, late, pressed = Knob(), Bus(), 0, 0, [], [0.0]

    def presses():
        while True:
            time.sleep(random.uniform(0.2, 0.3))
            pressed[0] = time.monotonic()
            knob.value += 1

    if what == "press":
        threading.Thread(target=presses, daemon=True).start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if knob.value != seen:
            seen = knob.value
            late.append((time.monotonic() - pressed[0]) * 1000)
        if what == "scroll":
            frames += 1
            send(bus, draw(frames))
        time.sleep(TICK)
    late.sort()
    middle, worst = (late[len(late) // 2], late[-1]) if late else (0, 0)
    print(frames / seconds, bus.bytes / seconds, middle, worst)


main(sys.argv[1], float(sys.argv[2]))
