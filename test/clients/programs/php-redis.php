<?php
// Debian's php-redis, plain and cluster: see test/clients/program.ts for the arguments.
error_reporting(E_ALL);
set_error_handler(function ($level, $text, $file, $line) {
    fwrite(STDERR, "$text, line $line\n");
    exit(1);
});

$checks = 0;

function check($what, $got, $wanted)
{
    global $checks;
    $checks++;
    if ($got === $wanted) return;
    $show = fn($value) => substr(var_export($value, true), 0, 300);
    fwrite(STDERR, "$what: {$show($got)} is not {$show($wanted)}\n");
    exit(1);
}

function pairs_of($path)
{
    $data = file_get_contents($path);
    $at = 0;
    $take = function () use ($data, &$at) {
        $length = unpack('N', $data, $at)[1];
        $at += 4 + $length;
        return substr($data, $at - $length, $length);
    };
    $pairs = [];
    while ($at < strlen($data)) $pairs[] = [$take(), $take()];
    return $pairs;
}

function connect($mode, $port)
{
    $password = getenv('STORE_PASSWORD');
    if ($mode === 'cluster')
        return new RedisCluster(null, ["127.0.0.1:$port"], 5, 20, false, $password === false ? null : $password);
    $client = new Redis();
    $client->connect('127.0.0.1', $port, 5);
    if ($password !== false) check('AUTH', $client->auth($password), true);
    return $client;
}

function keys_and_values($client, $mode, $pairs)
{
    $single = $mode === 'cluster' ? $pairs : array_merge(array_slice($pairs, 0, 300), array_slice($pairs, -2));
    foreach ($single as [$key, $value]) check('SET', $client->set($key, $value), true);
    // The cluster client has no pipelines.
    if ($mode === 'plain') {
        foreach (array_chunk($pairs, 100) as $batch) {
            $pipe = $client->multi(Redis::PIPELINE);
            foreach ($batch as [$key, $value]) $pipe->set($key, $value);
            check('pipelined SETs', $pipe->exec(), array_fill(0, count($batch), true));
        }
    }
    read($client, $pairs);
    foreach ($single as [$key, $value]) {
        check('GET', $client->get($key), $value);
        check('STRLEN', $client->strlen($key), strlen($value));
    }
    check('GET of nothing', $client->get('php:nothing'), false);
}

function read($client, $pairs)
{
    // Over slots: the cluster client takes it apart itself.
    foreach (array_chunk($pairs, 50) as $batch) {
        $values = $client->mget(array_column($batch, 0));
        foreach ($batch as $i => [$key, $value]) check("MGET $key", $values[$i], $value);
    }
}

function many_keys($client, $prefix)
{
    $in_slot = [];
    for ($i = 0; $i < 50; $i++) $in_slot["{{$prefix}}:$i"] = "v$i";
    check('MSET in a slot', $client->mset($in_slot), true);
    check('MGET in a slot', $client->mget(array_keys($in_slot)), array_values($in_slot));
    $over_slots = [];
    for ($i = 0; $i < 200; $i++) $over_slots["$prefix:over:$i"] = "o$i";
    check('MSET over slots', $client->mset($over_slots), true);
    check('MGET over slots', $client->mget(array_keys($over_slots)), array_values($over_slots));
    check('DEL', $client->del(array_keys($over_slots)), 200);
    check('DEL in a slot', $client->del(array_keys($in_slot)), 50);
}

function numbers_and_times($client, $prefix)
{
    $counter = "$prefix:counter";
    for ($i = 1; $i <= 100; $i++) check('INCR', $client->incr($counter), $i);
    check('INCRBYFLOAT', $client->incrByFloat($counter, 0.5), 100.5);
    check('INCR of a text', $client->incr($counter), false);
    // Of this error the client keeps a zero byte at the end.
    check('its error', rtrim($client->getLastError(), "\0"), 'ERR value is not an integer or out of range');
    $client->clearLastError();
    check('EXPIRE', $client->expire($counter, 1000), true);
    $ttl = $client->ttl($counter);
    check('TTL', $ttl > 990 && $ttl <= 1000, true);
    check('PERSIST', $client->persist($counter), true);
    check('TTL without one', $client->ttl($counter), -1);
    check('SET PX XX', $client->set($counter, 'x', ['xx', 'px' => 50000]), true);
    $pttl = $client->pttl($counter);
    check('PTTL', $pttl > 40000 && $pttl <= 50000, true);
    check('SET NX', $client->set($counter, 'y', ['nx']), false);
    check('DEL', $client->del($counter), 1);
}

function transactions($client, $mode, $port, $tag)
{
    $one = "{{$tag}}:php:one";
    $two = "{{$tag}}:php:two";
    check('MULTI', $client->multi()->set($one, 1)->incr($one)->get($one)->exec(), [true, 2, '2']);
    $other = connect($mode, $port);
    check('WATCH', $client->watch($one), true);
    check('SET', $other->set($one, 10), true);
    $aborted = $client->multi()->set($one, 3)->exec();
    // The cluster client shows an EXEC that was not done as one false for each command.
    check('EXEC', $aborted, $mode === 'cluster' ? [false] : false);
    check('what the other wrote', $client->get($one), '10');
    check('WATCH again', $client->watch($one), true);
    check('EXEC of an unchanged key', $client->multi()->set($two, 1)->exec(), [true]);
    check('EXEC with an error', $client->multi()->set($one, 'text')->incr($one)->set($two, 2)->exec(), [true, false, true]);
    check('what the transaction wrote', $client->get($two), '2');
    check('DEL', $client->del($one, $two), 2);
}

function scan($client, $mode, $pairs)
{
    $seen = [];
    $size = 0;
    $nodes = $mode === 'cluster' ? $client->_masters() : [null];
    foreach ($nodes as $node) {
        $cursor = null;
        do {
            $keys = $node === null ? $client->scan($cursor, null, 500) : $client->scan($cursor, $node, null, 500);
            foreach ($keys === false ? [] : $keys as $key) $seen["k$key"] = true;
        } while ($cursor > 0);
        $size += $node === null ? $client->dbSize() : $client->dbSize($node);
    }
    foreach ($pairs as [$key]) check('SCAN', isset($seen["k$key"]), true);
    check('DBSIZE', $size, count($seen));
}

function errors($client, $mode)
{
    $answer = $mode === 'cluster' ? $client->rawCommand('k', 'NONSUCH', 'k') : $client->rawCommand('NONSUCH', 'k');
    check('an unknown command', $answer, false);
    check('its error', str_starts_with($client->getLastError(), "ERR unknown command 'NONSUCH'"), true);
    $client->clearLastError();
}

[, $action, $mode, $port, $tag] = $argv;
$paths = array_slice($argv, 5);
$client = connect($mode, (int) $port);
if ($action === 'workout') {
    $pairs = pairs_of($paths[0]);
    $prefix = "php:$mode";
    keys_and_values($client, $mode, $pairs);
    many_keys($client, $prefix);
    numbers_and_times($client, $prefix);
    transactions($client, $mode, (int) $port, $tag);
    errors($client, $mode);
    scan($client, $mode, $pairs);
} else {
    foreach ($paths as $path) read($client, pairs_of($path));
}
echo "$checks checks\n";
