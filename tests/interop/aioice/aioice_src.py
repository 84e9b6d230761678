#!/usr/bin/env python3
"""The media of an SRC with aioice's ICE: a connection a stream, each with a tone in PCMU once its path is there. It is
spoken with by the lines of nice_src (tests/interop/libnice/nice_src.c), and takes the same words but for "tcp" and the
kind of nomination, which aioice does not offer: as the controlling side it is aggressive (RFC 5245 8.1.1.2).
Use: aioice_src.py STREAMS COMPONENTS ROLE NOMINATION [OPTION ...]; options: address=IP, stun=IP:PORT, turn=IP:PORT,
turn-tcp=IP:PORT, user=U, password=P, relay-only, tie-breakers=N,N."""
import asyncio
import math
import struct
import sys

from aioice import Candidate, Connection, TransportPolicy, ice

PACKET, SAMPLES = 0.02, 160
GATHER = 0.1  # seconds: the lines of one description come together


def place(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def mu_law(sample):
    """ITU-T G.711 by its definition."""
    sign, magnitude = (0x80 if sample < 0 else 0), min(abs(sample) + 33, 8191)
    segment = magnitude.bit_length() - 6
    return ~(sign | segment << 4 | (magnitude >> (segment + 1)) & 15) & 0xFF


def tone(stream, timestamp):
    turn = 2 * math.pi * (440 + 220 * stream) / 8000
    return bytes(mu_law(int(4000 * math.sin(turn * (timestamp + i)))) for i in range(SAMPLES))


class Source:
    def __init__(self, streams, components, role, options):
        self.count, self.components, self.controlling = streams, components, role == "controlling"
        self.connections, self.connecting, self.ready = [], {}, {}
        self.how, self.tie_breakers = {}, []
        addresses = []
        for word in options:
            name, _, value = word.partition("=")
            if name == "address":
                addresses.append(value)
            elif name == "stun":
                self.how["stun_server"] = place(value)
            elif name in ("turn", "turn-tcp"):
                self.how.update(turn_server=place(value), turn_transport="tcp" if name == "turn-tcp" else "udp")
            elif name in ("user", "password"):
                self.how["turn_username" if name == "user" else "turn_password"] = value
            elif name == "tie-breakers":
                self.tie_breakers = [int(number) for number in value.split(",")]
            elif name == "relay-only":
                self.how["transport_policy"] = TransportPolicy.RELAY
            else:
                sys.exit(f"{word}?")
        # It would take every address of every interface, and never loopback.
        ice.get_host_addresses = lambda use_ipv4, use_ipv6: addresses or ["127.0.0.1"]
        self.sent, self.sequence = [0] * streams, 0

    async def describe(self):
        self.connections = [Connection(self.controlling, self.components, **self.how) for _ in range(self.count)]
        for connection, number in zip(self.connections, self.tie_breakers):
            connection._tie_breaker = number
        self.connecting, self.ready = {}, {}
        await asyncio.gather(*(c.gather_candidates() for c in self.connections))
        for i, connection in enumerate(self.connections):
            print(f"ufrag {i} {connection.local_username}\npwd {i} {connection.local_password}")
            for candidate in connection.local_candidates:
                print(f"candidate {i} a=candidate:{candidate.to_sdp()}")
        print("described", flush=True)

    async def connect(self, i, connection):
        await asyncio.sleep(GATHER)
        try:
            await connection.connect()
        except ConnectionError as error:
            print("failed", i, error, flush=True)
            return
        self.ready[i] = connection
        if len(self.ready) == self.count:
            print("ready", flush=True)

    async def send(self):
        clock = asyncio.get_running_loop()
        due = clock.time()
        while True:
            if len(self.ready) == self.count:
                for i, connection in self.ready.items():
                    timestamp = self.sequence * SAMPLES
                    head = struct.pack("!BBHII", 0x80, 0, self.sequence & 0xFFFF, timestamp, 0x4E000000 + i)
                    try:
                        await connection.send(head + tone(i, timestamp))
                        self.sent[i] += 1
                    except ConnectionError:
                        pass
                self.sequence += 1
            due += PACKET
            await asyncio.sleep(max(due - clock.time(), 0))

    async def take(self, line):
        """False: quit."""
        word, _, rest = line.partition(" ")
        if word == "remote":
            number, ufrag, pwd = rest.split()
            connection = self.connections[int(number)]
            connection.remote_username, connection.remote_password = ufrag, pwd
            self.connecting[int(number)] = asyncio.ensure_future(self.connect(int(number), connection))
        elif word == "lite":
            for connection in self.connections:
                connection.remote_is_lite = True
        elif word == "candidate":
            number, _, value = rest.partition(" ")
            candidate = Candidate.from_sdp(value.removeprefix("a=candidate:"))
            await self.connections[int(number)].add_remote_candidate(candidate)
        elif word == "restart":
            before = self.connections
            await self.describe()
            for connection in before:
                await connection.close()
        return word != "quit"

    async def run(self):
        await self.describe()
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        sender = asyncio.ensure_future(self.send())
        while (line := await lines.readline()) and await self.take(line.decode().strip()):
            pass
        sender.cancel()
        for i, count in enumerate(self.sent):
            print("sent", i, count)
        for connection in self.connections:
            await connection.close()


asyncio.run(Source(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[5:]).run())
