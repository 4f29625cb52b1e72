"""inject.py PLAN.json: puts datagrams on the wire with any source address, and bytes into TCP connections.

PLAN: {"datagrams": [{"src","sport","dst","dport","hex"}], "flip": bool, "perSecond": n,
       "streams": [hex], "streamTo": [host, port]}. With "flip" each datagram goes once for each of its bytes, with that
byte changed. Prints {"sent": n, "streams": n}.
"""
import json
import random
import socket
import struct
import sys
import time

with open(sys.argv[1]) as file:
    plan = json.load(file)
luck = random.Random(7)
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
sent, begun = 0, time.monotonic()


def put(one, payload):
    global sent
    # Not faster than the receivers' buffers take.
    ahead = sent / plan["perSecond"] - (time.monotonic() - begun)
    if ahead > 0.01:
        time.sleep(ahead)
    udp = struct.pack("!HHHH", one["sport"], one["dport"], 8 + len(payload), 0) + payload
    source, target = socket.inet_aton(one["src"]), socket.inet_aton(one["dst"])
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 16, 17, 0, source, target)
    raw.sendto(header + udp, (one["dst"], 0))
    sent += 1


for one in plan["datagrams"]:
    whole = bytes.fromhex(one["hex"])
    if not plan["flip"]:
        put(one, whole)
        continue
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= luck.randrange(1, 256)
        put(one, bytes(changed))

done = 0
for text in plan["streams"]:
    try:
        with socket.create_connection(tuple(plan["streamTo"]), timeout=3) as peer:
            peer.sendall(bytes.fromhex(text))
            peer.settimeout(1)
            while peer.recv(65536):
                pass
    except OSError:
        pass
    done += 1
print(json.dumps({"sent": sent, "streams": done}))
