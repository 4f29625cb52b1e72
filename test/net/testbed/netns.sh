#!/bin/bash
# Network-namespace test bed for the daemon (root, Debian 12, iproute2 + iptables; no tc netem needed).
#   netns.sh up [N] [M]      LAN A 10.77.0.0/24: a1..aN ; LAN B 10.77.1.0/24: b1..bM, joined by router r
#   netns.sh exec NODE CMD…  run a command inside a node (NODE = a1, b2, r, …)
#   netns.sh loss NODE PCT   drop PCT % of what NODE receives (0 = off)      [iptables statistic]
#   netns.sh cut NODE NODE   two-way partition between two nodes (by IP)     [iptables DROP]
#   netns.sh oneway FROM TO  only FROM -> TO is cut (asymmetric)
#   netns.sh split "a1 a2" "a3 a4 a5"   cut every pair across the two sides
#   netns.sh nomcast NODE    NODE neither sends nor hears multicast
#   netns.sh mute NODE       NODE hears multicast and what it sends goes nowhere
#   netns.sh heal            remove all loss/cuts
#   netns.sh link NODE up|down           unplug / plug the cable
#   netns.sh replug NODE     another network adapter with the same name and address: memberships and routes are gone
#   netns.sh delay NODE MS [JITTER_MS] [LOSS_PCT]   delay both ways on NODE's cable (delaybox.py beside this file); MS=0 removes
#   netns.sh router up|down              the router between the LANs on or off
#   netns.sh rate NODE KBIT MS           tbf shaping (queue delay up to MS); KBIT=0 removes
#   netns.sh down            kill what runs inside, delete everything (every name begins with $SHOAL_BED_PREFIX, default sn-)
set -e
P=${SHOAL_BED_PREFIX:-sn-}
ipof() { case $1 in a*) echo 10.77.0.$((10+${1#a}));; b*) echo 10.77.1.$((10+${1#b}));; esac; }
x() { local n=$1; shift; ip netns exec $P$n "$@"; }
nodes() { ip netns list | awk '{print $1}' | sed -n "s/^$P\([ab][0-9][0-9]*\)$/\1/p"; }
node_add() { # node_add NODE SWITCH GW
  ip netns add $P$1; x $1 ip link set lo up; x $1 iptables -N SHLOSS; x $1 iptables -N SHCUT
  x $1 iptables -A INPUT -i eth0 -j SHCUT; x $1 iptables -A INPUT -i eth0 -j SHLOSS
  cable $1 $2 $3
}
cable() { # cable NODE SWITCH GW
  local n=$1 sw=$2 gw=$3
  ip link add eth0 netns $P$n type veth peer name p-$n netns $P$sw
  x $sw ip link set p-$n master br0 up
  x $n ip addr add $(ipof $n)/24 dev eth0; x $n ip link set eth0 up
  [ -n "$gw" ] && x $n ip route add default via $gw
  x $n ip route add 224.0.0.0/4 dev eth0            # only needed by senders that do not call setMulticastInterface()
}
cmd=$1; shift || true
case $cmd in
up)
  N=${1:-5}; M=${2:-0}
  for sw in swa swb; do [ $sw = swb ] && [ $M = 0 ] && continue
    ip netns add $P$sw; x $sw ip link set lo up
    x $sw ip link add br0 type bridge mcast_snooping 0 stp_state 0 forward_delay 0; x $sw ip link set br0 up; done
  gwa=; gwb=
  if [ $M != 0 ]; then gwa=10.77.0.1 gwb=10.77.1.1
    ip netns add ${P}r; x r ip link set lo up
    ip link add ra netns ${P}r type veth peer name p-r netns ${P}swa; ip link add rb netns ${P}r type veth peer name p-r netns ${P}swb
    x swa ip link set p-r master br0 up; x swb ip link set p-r master br0 up
    x r ip addr add $gwa/24 dev ra; x r ip addr add $gwb/24 dev rb; x r ip link set ra up; x r ip link set rb up
    x r sysctl -qw net.ipv4.ip_forward=1
  fi
  for i in $(seq 1 $N); do node_add a$i swa $gwa; done
  [ $M != 0 ] && for i in $(seq 1 $M); do node_add b$i swb $gwb; done
  echo "up: $(nodes | tr '\n' ' ')";;
exec) n=$1; shift; exec ip netns exec $P$n "$@";;
loss) x $1 iptables -F SHLOSS; [ "$2" = 0 ] || x $1 iptables -A SHLOSS -m statistic --mode random --probability $(awk "BEGIN{print $2/100}") -j DROP;;
cut) x $1 iptables -A SHCUT -s $(ipof $2) -j DROP; x $2 iptables -A SHCUT -s $(ipof $1) -j DROP;;
router) for i in ra rb; do x r ip link set $i $1; done;;
oneway) x $2 iptables -A SHCUT -s $(ipof $1) -j DROP;;
split) for a in $1; do for b in $2; do $0 cut $a $b; done; done;;
nomcast) x $1 iptables -A SHCUT -d 224.0.0.0/4 -j DROP; $0 mute $1;;
mute) # netdev egress drops silently (an OUTPUT DROP would make send() fail with EPERM)
  x $1 nft add table netdev shf; x $1 nft 'add chain netdev shf e { type filter hook egress device eth0 priority 0; }'; x $1 nft 'add rule netdev shf e ip daddr 224.0.0.0/4 drop';;
heal) for n in $(nodes); do x $n iptables -F SHCUT; x $n iptables -F SHLOSS; x $n nft delete table netdev shf 2>/dev/null || true; done;;
delay) case $1 in a*) sw=swa;; b*) sw=swb;; esac; n=$1
  for p in $(cat /tmp/$P$n.delay.pid 2>/dev/null); do kill $p 2>/dev/null || true; done; rm -f /tmp/$P$n.delay.pid; x $sw ip link del d-$n 2>/dev/null || true
  x $sw ip link set p-$n master br0
  if [ "$2" != 0 ]; then
    x $sw ip link set p-$n nomaster; x $sw ip link add d-$n type veth peer name e-$n; x $sw ip link set d-$n up; x $sw ip link set e-$n master br0 up
    ip netns exec $P$sw python3 "$(dirname "$(readlink -f "$0")")/delaybox.py" p-$n d-$n "$2" "${3:-0}" "${4:-0}" >/dev/null 2>&1 & echo $! >/tmp/$P$n.delay.pid; sleep 0.3
  fi;;
link) x $1 ip link set eth0 $2; if [ $2 = up ]; then x $1 ip route replace 224.0.0.0/4 dev eth0; ip netns list | grep -qw ${P}r && case $1 in a*) x $1 ip route replace default via 10.77.0.1;; b*) x $1 ip route replace default via 10.77.1.1;; esac; fi; true;;
replug) x $1 ip link del eth0; gw=; case $1 in a*) sw=swa lan=0;; b*) sw=swb lan=1;; esac
  if ip netns list | grep -qw ${P}r; then gw=10.77.$lan.1; fi; cable $1 $sw $gw;;
rate) x $1 tc qdisc del dev eth0 root 2>/dev/null || true; [ "$2" = 0 ] || x $1 tc qdisc add dev eth0 root tbf rate ${2}kbit burst 2kb latency ${3}ms;;
down) for n in $(ip netns list | awk '{print $1}' | grep "^$P"); do for p in $(ip netns pids $n); do kill $p 2>/dev/null || true; done; ip netns del $n; done; rm -f /tmp/$P*.delay.pid;;
*) sed -n 2,14p "$0"; exit 2;;
esac
