"""Debian's python3-redis, plain and cluster: see test/clients/program.ts for the arguments."""
import logging
import os
import struct
import sys
import threading

import redis
from redis.cluster import RedisCluster

# The cluster client logs every error it raises.
logging.disable(logging.CRITICAL)
checks = 0


def check(what, got, wanted):
    global checks
    checks += 1
    if got != wanted:
        sys.exit(f"{what}: {str(got)[:200]!r} is not {str(wanted)[:200]!r}")


def raises(what, error, text, act):
    try:
        act()
    except error as raised:
        check(what, text in str(raised), True)
    else:
        sys.exit(f"{what}: nothing was raised")


def pairs_of(path):
    with open(path, "rb") as file:
        data = file.read()
    pairs, at = [], 0

    def take():
        nonlocal at
        (length,) = struct.unpack_from(">I", data, at)
        at += 4 + length
        return data[at - length : at]

    while at < len(data):
        pairs.append((take(), take()))
    return pairs


def connect(cluster, port):
    password = os.environ.get("STORE_PASSWORD")
    if cluster:
        return RedisCluster(host="127.0.0.1", port=port, password=password)
    return redis.Redis(host="127.0.0.1", port=port, password=password)


def batches(pairs, size=100):
    return [pairs[i : i + size] for i in range(0, len(pairs), size)]


def keys_and_values(client, pairs):
    for key, value in pairs[:300] + pairs[-2:]:
        check("SET", client.set(key, value), True)
    for batch in batches(pairs[300:-2]):
        pipe = client.pipeline(transaction=False)
        for key, value in batch:
            pipe.set(key, value)
        check("pipelined SETs", pipe.execute(), [True] * len(batch))
    for batch in batches(pairs):
        pipe = client.pipeline(transaction=False)
        for key, _ in batch:
            pipe.get(key)
        for (key, value), got in zip(batch, pipe.execute()):
            check(f"GET {key}", got, value)
    for key, value in pairs[:300]:
        check(f"GET {key}", client.get(key), value)
        check(f"STRLEN {key}", client.strlen(key), len(value))
    check("GET of nothing", client.get("py:nothing"), None)


def many_keys(client, cluster, prefix):
    in_slot = {f"{{{prefix}}}:{i}".encode(): b"v%d" % i for i in range(50)}
    check("MSET in a slot", client.mset(in_slot), True)
    check("MGET in a slot", client.mget(list(in_slot)), list(in_slot.values()))
    over_slots = {f"{prefix}:over:{i}".encode(): b"o%d" % i for i in range(200)}
    if cluster:
        client.mset_nonatomic(over_slots)
        got = client.mget_nonatomic(list(over_slots))
        raises("MGET", redis.exceptions.RedisClusterException, "slot", lambda: client.mget(list(over_slots)))
    else:
        check("MSET over slots", client.mset(over_slots), True)
        got = client.mget(list(over_slots))
    check("MGET over slots", got, list(over_slots.values()))
    check("EXISTS", client.exists(*over_slots), 200)
    check("DEL", client.delete(*over_slots), 200)
    check("DEL in a slot", client.delete(*in_slot), 50)


def numbers_and_times(client, prefix):
    counter = f"{prefix}:counter"
    for i in range(1, 101):
        check("INCR", client.incr(counter), i)
    check("INCRBYFLOAT", client.incrbyfloat(counter, 0.5), 100.5)
    raises("INCR of a text", redis.ResponseError, "not an integer", lambda: client.incr(counter))
    check("EXPIRE", client.expire(counter, 1000), True)
    check("TTL", 990 < client.ttl(counter) <= 1000, True)
    check("PERSIST", client.persist(counter), True)
    check("TTL without one", client.ttl(counter), -1)
    check("SET PX", client.set(counter, "x", px=50_000, xx=True), True)
    check("PTTL", 40_000 < client.pttl(counter) <= 50_000, True)
    check("SET NX", client.set(counter, "y", nx=True), None)
    check("GETDEL", client.getdel(counter), b"x")


def transactions(client, cluster, port, tag):
    # redis-py's cluster client has no transactions.
    if cluster:
        return
    one, two = f"{{{tag}}}:py:one", f"{{{tag}}}:py:two"
    with client.pipeline(transaction=True) as pipe:
        check("MULTI", pipe.set(one, 1).incr(one).get(one).execute(), [True, 2, b"2"])
    other = connect(False, port)
    with client.pipeline() as pipe:
        pipe.watch(one)
        seen = int(pipe.get(one))
        other.set(one, 10)
        pipe.multi()
        pipe.set(one, seen + 1)
        raises("EXEC", redis.WatchError, "Watched", pipe.execute)
    check("what the other wrote", client.get(one), b"10")
    check("transaction()", client.transaction(lambda pipe: (pipe.multi(), pipe.set(two, 1)), one), [True])
    with client.pipeline(transaction=True) as pipe:
        pipe.set(one, "text").incr(one).set(two, 2)
        raises("EXEC with an error", redis.ResponseError, "not an integer", pipe.execute)
    check("what the transaction wrote", client.get(two), b"2")
    client.delete(one, two)


def errors(client, cluster):
    target = {"target_nodes": "random"} if cluster else {}
    unknown = lambda: client.execute_command("NONSUCH", "x", **target)
    raises("an unknown command", redis.ResponseError, "unknown command", unknown)
    raises("syntax", redis.ResponseError, "syntax error", lambda: client.execute_command("SET", "k", "v", "BAD"))


def scan(client, cluster, pairs):
    seen = set()
    for key in client.scan_iter(count=500):
        seen.add(key)
    check("SCAN", {key for key, _ in pairs} <= seen, True)
    everywhere = {"target_nodes": RedisCluster.PRIMARIES} if cluster else {}
    check("DBSIZE", client.dbsize(**everywhere), len(seen))


def messages(client):
    heard = []
    subscriber = client.pubsub()
    subscriber.subscribe("py:channel")
    check("SUBSCRIBE", subscriber.get_message(timeout=5)["type"], "subscribe")
    publisher = threading.Thread(target=lambda: [client.publish("py:channel", b"m\x00%d" % i) for i in range(50)])
    publisher.start()
    while len(heard) < 50:
        message = subscriber.get_message(timeout=5)
        if message is None:
            break
        heard.append(message["data"])
    publisher.join()
    check("messages", heard, [b"m\x00%d" % i for i in range(50)])
    subscriber.close()


def workout(client, cluster, port, tag, path):
    pairs = pairs_of(path)
    prefix = f"py:{'cluster' if cluster else 'plain'}"
    keys_and_values(client, pairs)
    many_keys(client, cluster, prefix)
    numbers_and_times(client, prefix)
    transactions(client, cluster, port, tag)
    errors(client, cluster)
    scan(client, cluster, pairs)
    messages(client)


def read(client, paths):
    for path in paths:
        for batch in batches(pairs_of(path)):
            pipe = client.pipeline(transaction=False)
            for key, _ in batch:
                pipe.get(key)
            for (key, value), got in zip(batch, pipe.execute()):
                check(f"GET {key}", got, value)


action, mode, port, tag, *paths = sys.argv[1:]
client = connect(mode == "cluster", int(port))
if action == "workout":
    workout(client, mode == "cluster", int(port), tag, paths[0])
else:
    read(client, paths)
print(f"{checks} checks")
