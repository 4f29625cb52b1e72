"""capture.py SECONDS OVER PORT...: what comes to this namespace on these ports, as JSON lines on standard output, when the time is over
and there is a file OVER; after twice the time, or 90 s, without one.

A datagram is {"src","sport","dst","dport","hex"}; one direction of a TCP connection is {"stream": hex of its bytes in order}.
"""
import json
import os
import socket
import sys
import time

seconds, over, ports = float(sys.argv[1]), sys.argv[2], {int(port) for port in sys.argv[3:]}
taken = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
taken.settimeout(0.2)
datagrams, streams = [], {}
end = time.monotonic() + seconds
limit = time.monotonic() + max(90, 2 * seconds)
print("ready", flush=True)
while time.monotonic() < limit and (time.monotonic() < end or not os.path.exists(over)):
    try:
        packet, who = taken.recvfrom(65535)
    except socket.timeout:
        continue
    if who[2] == socket.PACKET_OUTGOING or len(packet) < 28:
        continue
    head = (packet[0] & 15) * 4
    length = int.from_bytes(packet[2:4], "big")
    src, dst = (socket.inet_ntoa(packet[at : at + 4]) for at in (12, 16))
    sport, dport = (int.from_bytes(packet[head + at : head + at + 2], "big") for at in (0, 2))
    if packet[9] == 17 and dport in ports:
        payload = packet[head + 8 : length].hex()
        datagrams.append({"src": src, "sport": sport, "dst": dst, "dport": dport, "hex": payload})
    elif packet[9] == 6 and (dport in ports or sport in ports):
        body = packet[head + (packet[head + 12] >> 4) * 4 : length]
        if body:
            seq = int.from_bytes(packet[head + 4 : head + 8], "big")
            streams.setdefault((src, sport, dst, dport), {})[seq] = body
for one in datagrams:
    print(json.dumps(one))
for parts in streams.values():
    print(json.dumps({"stream": b"".join(parts[seq] for seq in sorted(parts)).hex()}))
