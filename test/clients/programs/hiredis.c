/* Debian's libhiredis, which knows plain servers only: see test/clients/program.ts for the arguments. */
#include <arpa/inet.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
  const char *at;
  size_t length;
};
struct pair {
  struct bytes key, value;
};

static long checks;

static void check(const char *what, int holds) {
  checks++;
  if (holds) return;
  fprintf(stderr, "%s: wrong, after %ld checks\n", what, checks);
  exit(1);
}

static char *file_of(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) exit(2);
  *size = (size_t)ftell(file);
  rewind(file);
  char *data = malloc(*size);
  if (data == NULL || fread(data, 1, *size, file) != *size) exit(2);
  fclose(file);
  return data;
}

static struct bytes take(const char *data, size_t *at) {
  uint32_t length;
  memcpy(&length, data + *at, 4);
  struct bytes taken = {data + *at + 4, ntohl(length)};
  *at += 4 + taken.length;
  return taken;
}

/* The file's text stays where it is; so do the pairs that point into it. */
static struct pair *pairs_of(const char *path, size_t *count) {
  size_t size, at = 0, room = 1024;
  const char *data = file_of(path, &size);
  struct pair *pairs = malloc(room * sizeof *pairs);
  for (*count = 0; at < size; ++*count) {
    if (*count == room) pairs = realloc(pairs, (room *= 2) * sizeof *pairs);
    if (pairs == NULL) exit(2);
    pairs[*count].key = take(data, &at);
    pairs[*count].value = take(data, &at);
  }
  return pairs;
}

static redisContext *connect_to(int port) {
  redisContext *context = redisConnect("127.0.0.1", port);
  check("connect", context != NULL && context->err == 0);
  const char *password = getenv("STORE_PASSWORD");
  if (password == NULL) return context;
  redisReply *reply = redisCommand(context, "AUTH %s", password);
  check("AUTH", reply != NULL && reply->type == REDIS_REPLY_STATUS);
  freeReplyObject(reply);
  return context;
}

static redisReply *next(redisContext *context) {
  void *reply = NULL;
  check("a reply", redisGetReply(context, &reply) == REDIS_OK && reply != NULL);
  return reply;
}

static int is_bytes(const redisReply *reply, struct bytes wanted) {
  return reply->type == REDIS_REPLY_STRING && reply->len == wanted.length &&
         memcmp(reply->str, wanted.at, wanted.length) == 0;
}

static int is_text(const redisReply *reply, int type, const char *text) {
  return reply->type == type && strcmp(reply->str, text) == 0;
}

/* Pipelines: many commands before the first reply is read. */
static void set_all(redisContext *context, const struct pair *pairs, size_t count) {
  for (size_t from = 0; from < count; from += 200) {
    size_t to = from + 200 < count ? from + 200 : count;
    for (size_t i = from; i < to; i++)
      redisAppendCommand(context, "SET %b %b", pairs[i].key.at, pairs[i].key.length, pairs[i].value.at,
                         pairs[i].value.length);
    for (size_t i = from; i < to; i++) {
      redisReply *reply = next(context);
      check("SET", is_text(reply, REDIS_REPLY_STATUS, "OK"));
      freeReplyObject(reply);
    }
  }
}

static void get_all(redisContext *context, const struct pair *pairs, size_t count) {
  for (size_t from = 0; from < count; from += 200) {
    size_t to = from + 200 < count ? from + 200 : count;
    for (size_t i = from; i < to; i++)
      redisAppendCommand(context, "GET %b", pairs[i].key.at, pairs[i].key.length);
    for (size_t i = from; i < to; i++) {
      redisReply *reply = next(context);
      check("GET", is_bytes(reply, pairs[i].value));
      freeReplyObject(reply);
    }
  }
}

static void one_by_one(redisContext *context, const struct pair *pairs, size_t count) {
  for (size_t i = 0; i < count; i++) {
    redisReply *reply = redisCommand(context, "GETRANGE %b 0 -1", pairs[i].key.at, pairs[i].key.length);
    check("GETRANGE", is_bytes(reply, pairs[i].value));
    freeReplyObject(reply);
  }
}

/* MGET of 100 keys that are at all owners. */
static void many_at_once(redisContext *context, const struct pair *pairs) {
  const char *words[101] = {"MGET"};
  size_t lengths[101] = {4};
  for (int i = 0; i < 100; i++) {
    words[i + 1] = pairs[i].key.at;
    lengths[i + 1] = pairs[i].key.length;
  }
  redisReply *reply = redisCommandArgv(context, 101, words, lengths);
  check("MGET", reply->type == REDIS_REPLY_ARRAY && reply->elements == 100);
  for (int i = 0; i < 100; i++) check("MGET's value", is_bytes(reply->element[i], pairs[i].value));
  freeReplyObject(reply);
}

static void number(redisContext *context, const char *command, long long low, long long high) {
  redisReply *reply = redisCommand(context, command);
  check(command, reply->type == REDIS_REPLY_INTEGER && reply->integer >= low && reply->integer <= high);
  freeReplyObject(reply);
}

static void answer(redisContext *context, const char *command, int type, const char *text) {
  redisReply *reply = redisCommand(context, command);
  check(command, is_text(reply, type, text));
  freeReplyObject(reply);
}

static void numbers_and_errors(redisContext *context) {
  for (int i = 1; i <= 100; i++) number(context, "INCR c:counter", i, i);
  number(context, "EXPIRE c:counter 1000", 1, 1);
  number(context, "TTL c:counter", 990, 1000);
  number(context, "PERSIST c:counter", 1, 1);
  answer(context, "SET c:counter x PX 50000", REDIS_REPLY_STATUS, "OK");
  number(context, "PTTL c:counter", 40000, 50000);
  answer(context, "INCR c:counter", REDIS_REPLY_ERROR, "ERR value is not an integer or out of range");
  answer(context, "SET c:counter y BAD", REDIS_REPLY_ERROR, "ERR syntax error");
  answer(context, "GET", REDIS_REPLY_ERROR, "ERR wrong number of arguments for 'get' command");
  number(context, "DEL c:counter c:none", 1, 1);
}

static void transaction(redisContext *context, const char *tag) {
  char command[3][100];
  snprintf(command[0], sizeof command[0], "SET {%s}:c 41", tag);
  snprintf(command[1], sizeof command[1], "INCR {%s}:c", tag);
  snprintf(command[2], sizeof command[2], "DEL {%s}:c", tag);
  answer(context, "MULTI", REDIS_REPLY_STATUS, "OK");
  for (int i = 0; i < 3; i++) answer(context, command[i], REDIS_REPLY_STATUS, "QUEUED");
  redisReply *reply = redisCommand(context, "EXEC");
  check("EXEC", reply->type == REDIS_REPLY_ARRAY && reply->elements == 3);
  check("EXEC's SET", is_text(reply->element[0], REDIS_REPLY_STATUS, "OK"));
  check("EXEC's INCR", reply->element[1]->integer == 42 && reply->element[2]->integer == 1);
  freeReplyObject(reply);
}

/* All keys of all nodes, counted. */
static void scan(redisContext *context) {
  char cursor[32] = "0";
  long long seen = 0;
  do {
    redisReply *reply = redisCommand(context, "SCAN %s COUNT 500", cursor);
    check("SCAN", reply->type == REDIS_REPLY_ARRAY && reply->elements == 2);
    snprintf(cursor, sizeof cursor, "%s", reply->element[0]->str);
    seen += (long long)reply->element[1]->elements;
    freeReplyObject(reply);
  } while (strcmp(cursor, "0") != 0);
  number(context, "DBSIZE", seen, seen);
}

static void messages(redisContext *context, int port) {
  redisContext *subscriber = connect_to(port);
  redisReply *reply = redisCommand(subscriber, "SUBSCRIBE c:channel");
  check("SUBSCRIBE", reply->type == REDIS_REPLY_ARRAY && reply->elements == 3);
  freeReplyObject(reply);
  for (int i = 0; i < 50; i++) redisAppendCommand(context, "PUBLISH c:channel %d", i);
  for (int i = 0; i < 50; i++) freeReplyObject(next(context));
  for (int i = 0; i < 50; i++) {
    char text[8];
    snprintf(text, sizeof text, "%d", i);
    reply = next(subscriber);
    check("message", reply->elements == 3 && is_text(reply->element[2], REDIS_REPLY_STRING, text));
    freeReplyObject(reply);
  }
  redisFree(subscriber);
}

int main(int count, char **words) {
  if (count < 6) return 2;
  int port = atoi(words[3]);
  redisContext *context = connect_to(port);
  for (int i = 5; i < count; i++) {
    size_t pairs_count;
    const struct pair *pairs = pairs_of(words[i], &pairs_count);
    if (strcmp(words[1], "workout") == 0) {
      set_all(context, pairs, pairs_count);
      one_by_one(context, pairs, 300);
      many_at_once(context, pairs);
      numbers_and_errors(context);
      transaction(context, words[4]);
      scan(context);
      messages(context, port);
    }
    get_all(context, pairs, pairs_count);
  }
  redisFree(context);
  printf("%ld checks\n", checks);
  return 0;
}
