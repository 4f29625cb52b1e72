"""python3-redis' cluster client as a store: a line `get KEY` or `set KEY VALUE` or `del KEY` in, a line out. See test/clients/moving.test.ts."""
import logging
import sys

from redis.cluster import RedisCluster

# The cluster client logs every error it raises.
logging.disable(logging.CRITICAL)
client = RedisCluster(host="127.0.0.1", port=int(sys.argv[1]), client_name="follower;ack=1m1d")
for line in sys.stdin:
    command, key, *values = line.split()
    try:
        if command == "get":
            value = client.get(key)
            answer = "nil" if value is None else "value " + value.decode()
        elif command == "set":
            answer = f"value {client.set(key, values[0])}"
        else:
            answer = f"value {client.delete(key)}"
    except Exception as error:
        # A removal goes out as a pipeline, whose errors begin with which command of it failed.
        text = str(error).replace("\n", " ").split(" of pipeline caused error: ")[-1]
        answer = f"error {type(error).__name__}: {text}"
    print(answer, flush=True)
