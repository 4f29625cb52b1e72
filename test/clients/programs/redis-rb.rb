# Debian's ruby-redis, plain and cluster: see test/clients/program.ts for the arguments.
require 'redis'

Encoding.default_external = Encoding::BINARY
$checks = 0

def check(what, got, wanted)
  $checks += 1
  abort "#{what}: #{got.inspect[0, 200]} is not #{wanted.inspect[0, 200]}" if got != wanted
end

def raises(what, error, text)
  yield
rescue error => e
  check(what, e.message.include?(text), true)
else
  abort "#{what}: nothing was raised"
end

def pairs_of(path)
  data = File.binread(path)
  at = 0
  take = lambda do
    length = data[at, 4].unpack1('N')
    at += 4 + length
    data[at - length, length]
  end
  pairs = []
  pairs << [take.call, take.call] while at < data.bytesize
  pairs
end

def connect(mode, port)
  password = ENV['STORE_PASSWORD']
  options = { timeout: 20 }
  options[:password] = password if password
  return Redis.new(cluster: ["redis://127.0.0.1:#{port}"], **options) if mode == 'cluster'

  Redis.new(host: '127.0.0.1', port: port, **options)
end

def keys_and_values(client, mode, pairs)
  single = mode == 'cluster' ? pairs : pairs.first(300) + pairs.last(2)
  single.each { |key, value| check('SET', client.set(key, value), 'OK') }
  # The cluster client pipelines within one node only.
  if mode == 'plain'
    pairs.each_slice(100) do |batch|
      answers = client.pipelined { |pipe| batch.each { |key, value| pipe.set(key, value) } }
      check('pipelined SETs', answers, ['OK'] * batch.size)
    end
  else
    tagged = pairs.first(100).map { |key, value| ["{rb:tag}#{key}", value] }
    answers = client.pipelined { |pipe| tagged.each { |key, value| pipe.set(key, value) } }
    check('pipelined SETs', answers, ['OK'] * tagged.size)
    check('pipelined GETs', client.pipelined { |pipe| tagged.each { |key, _| pipe.get(key) } }, tagged.map(&:last))
    check('DEL', client.del(*tagged.map(&:first)), tagged.size)
  end
  read(client, pairs)
  check('GET of nothing', client.get('rb:nothing'), nil)
end

def read(client, pairs, pipelined = false)
  pairs.each_slice(100) do |batch|
    values = pipelined ? client.pipelined { |pipe| batch.each { |key, _| pipe.get(key) } } : batch.map { |key, _| client.get(key) }
    batch.zip(values) { |(key, value), got| check("GET #{key.inspect}", got&.b, value) }
  end
end

def many_keys(client, mode, prefix)
  in_slot = (0...50).to_h { |i| ["{#{prefix}}:#{i}", "v#{i}"] }
  check('MSET in a slot', client.mset(*in_slot.to_a.flatten), 'OK')
  check('MGET in a slot', client.mget(*in_slot.keys), in_slot.values)
  check('DEL in a slot', client.del(*in_slot.keys), 50)
  over_slots = (0...200).to_h { |i| ["#{prefix}:over:#{i}", "o#{i}"] }
  if mode == 'cluster'
    raises('MGET over slots', Redis::BaseError, 'CROSSSLOT') { client.mget(*over_slots.keys) }
  else
    check('MSET over slots', client.mset(*over_slots.to_a.flatten), 'OK')
    check('MGET over slots', client.mget(*over_slots.keys), over_slots.values)
    check('DEL', client.del(*over_slots.keys), 200)
  end
end

def numbers_and_times(client, prefix)
  counter = "#{prefix}:counter"
  (1..100).each { |i| check('INCR', client.incr(counter), i) }
  check('INCRBYFLOAT', client.incrbyfloat(counter, 0.5), 100.5)
  raises('INCR of a text', Redis::CommandError, 'not an integer') { client.incr(counter) }
  check('EXPIRE', client.expire(counter, 1000), true)
  check('TTL', (991..1000).cover?(client.ttl(counter)), true)
  check('PERSIST', client.persist(counter), true)
  check('TTL without one', client.ttl(counter), -1)
  check('SET PX XX', client.set(counter, 'x', px: 50_000, xx: true), true)
  check('PTTL', (40_000..50_000).cover?(client.pttl(counter)), true)
  check('SET NX', client.set(counter, 'y', nx: true), false)
  check('GETDEL', client.getdel(counter), 'x')
end

def transactions(client, mode, port, tag)
  one = "{#{tag}}:rb:one"
  two = "{#{tag}}:rb:two"
  answers = client.multi { |pipe| [pipe.set(one, 1), pipe.incr(one), pipe.get(one)] }
  check('MULTI', answers, ['OK', 2, '2'])
  other = connect(mode, port)
  aborted = client.watch(one) do
    other.set(one, 10)
    client.multi { |pipe| pipe.set(one, 3) }
  end
  check('EXEC', aborted, nil)
  check('what the other wrote', client.get(one), '10')
  check('WATCH again', client.watch(one) { client.multi { |pipe| pipe.set(two, 1) } }, ['OK'])
  raises('EXEC with an error', Redis::CommandError, 'not an integer') do
    client.multi { |pipe| [pipe.set(one, 'text'), pipe.incr(one), pipe.set(two, 2)] }
  end
  check('what the transaction wrote', client.get(two), '2')
  check('DEL', client.del(one, two), 2)
end

def errors(client)
  raises('an unknown command', Redis::CommandError, 'unknown command') { client.call('NONSUCH', 'k') }
  raises('syntax', Redis::CommandError, 'syntax error') { client.call('SET', 'k', 'v', 'BAD') }
end

def scan(client, pairs)
  seen = {}
  client.scan_each(count: 500) { |key| seen[key.b] = true }
  pairs.each { |key, _| check('SCAN', seen.key?(key), true) }
  check('DBSIZE', client.dbsize, seen.size)
end

def messages(client, mode, port)
  heard = []
  subscriber = connect(mode, port)
  wanted = (0...50).map { |i| "m\0#{i}" }
  # Left in the middle: the cluster client sends UNSUBSCRIBE to any node.
  catch(:heard) do
    subscriber.subscribe_with_timeout(10, 'rb:channel') do |on|
      on.subscribe { Thread.new { wanted.each { |text| client.publish('rb:channel', text) } } }
      on.message { |_, text| throw :heard if (heard << text).size == wanted.size }
    end
  end
  # What goes by several nodes may come in another order.
  check('messages', mode == 'cluster' ? heard.sort : heard, mode == 'cluster' ? wanted.sort : wanted)
end

action, mode, port, tag, *paths = ARGV
client = connect(mode, port.to_i)
if action == 'workout'
  pairs = pairs_of(paths.first)
  prefix = "rb:#{mode}"
  keys_and_values(client, mode, pairs)
  many_keys(client, mode, prefix)
  numbers_and_times(client, prefix)
  transactions(client, mode, port.to_i, tag)
  errors(client)
  scan(client, pairs)
  messages(client, mode, port.to_i)
else
  paths.each { |path| read(client, pairs_of(path), mode == 'plain') }
end
puts "#{$checks} checks"
