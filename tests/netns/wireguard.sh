#!/bin/bash
# The WireGuard engine on real tun devices: beside wireguard-go in both roles, on every rung of the
# offload ladder, with `wg`, roaming, 50 peers, floods, links that go down.
prefix=mystwg-
. "$(dirname "$0")/lib.sh"
ours="${MYST_WIREGUARD:-$bin/myst wireguard} -f"
theirs="wireguard-go -f"
umask 077

need() { local p; for p in "$@"; do has_program "$p" || { reason="needs $p"; return 77; }; done; }

listens() { in_ns "$1" awk -v socket="/$2.sock" '$4 == "00010000" && index($8, socket) {found = 1} END {exit !found}' /proc/net/unix; }
# start_engine <namespace> <device> <command...>: the engine, once `wg` can talk to it.
start_engine() {
  local ns=$1 name=$2; shift 2
  spawn "$name" ip netns exec "$prefix$ns" "$@" "$name"
  eval "pid_$ns=$spawned"
  # wg removes a socket that refuses it, as one does between bind and listen: asked only afterwards.
  wait_for 10 listens "$ns" "$name" && wait_for 10 in_ns "$ns" wg show "$name" ||
    fail "$name does not start: $(tail -n 2 "$work/$name.err")"
}
# pair <command a> <command b>: namespaces a and b with tunnel addresses 10.9.0.1 and .2, fd00:9::1, ::2.
pair() {
  local n o
  ns_del a b; ns_add a b
  wire a wa 192.0.2.1/24 b wb 192.0.2.2/24 || return 1
  for n in a b; do
    [ $n = a ] && o=1 || o=2
    ip -n ${prefix}$n addr add 2001:db8::$o/64 dev w$n nodad
    wg genkey >"$work/key$n"; wg pubkey <"$work/key$n" >"$work/pub$n"
  done
  start_engine a wga $1 || return 1
  start_engine b wgb $2 || return 1
  in_ns a wg set wga private-key "$work/keya" listen-port 51820 peer "$(cat "$work/pubb")" \
    allowed-ips 10.9.0.2/32,fd00:9::2/128 endpoint "${3:-192.0.2.2}:51821" &&
    in_ns b wg set wgb private-key "$work/keyb" listen-port 51821 peer "$(cat "$work/puba")" \
      allowed-ips 10.9.0.1/32,fd00:9::1/128 || return 1
  for n in a b; do
    [ $n = a ] && o=1 || o=2
    ip -n ${prefix}$n addr add 10.9.0.$o/24 dev wg$n
    ip -n ${prefix}$n addr add fd00:9::$o/64 dev wg$n nodad
    ip -n ${prefix}$n link set wg$n mtu "${mtu:-1420}" up
  done
}
end_pair() { end_process "$pid_a"; end_process "$pid_b"; ns_del a b; }
ping_from() { in_ns "$1" ping -q -c "${3:-2}" -i 0.05 -W 3 "$2" >/dev/null; }
# transfer <iperf3 arguments>: bytes received; an iperf3 server in b.
transfer() {
  [ -n "${iperf_pid:-}" ] && kill -0 "$iperf_pid" 2>/dev/null && kill "$iperf_pid" 2>/dev/null
  spawn iperf ip netns exec ${prefix}b iperf3 -s -1
  iperf_pid=$spawned
  wait_for 5 in_ns b sh -c 'ss -ltn | grep -q :5201'
  in_ns a iperf3 -J "$@" >"$work/iperf.json" 2>/dev/null || return 1
  python3 - "$work/iperf.json" <<'PY'
import json, sys
end = json.load(open(sys.argv[1]))['end']
print((end.get('sum_received') or end['sum'])['bytes'])
PY
}
counters() { in_ns "$1" wg show "wg$1" transfer | cut -f2,3; }  # received, sent
# Nothing is on its way any more: what one side sent, the other has received, to the byte.
counters_agree() {
  local a b
  a=$(counters a) b=$(counters b)
  [ "$(cut -f1 <<<"$a")" = "$(cut -f2 <<<"$b")" ] && [ "$(cut -f2 <<<"$a")" = "$(cut -f1 <<<"$b")" ]
}

exercise() {  # [counted_otherwise]: the other side's counters mean something else
  local bytes
  ping_from a 10.9.0.2 || { fail "no ping over IPv4"; return 1; }
  ping_from b fd00:9::1 || { fail "no ping over IPv6"; return 1; }
  ping_from a 10.9.0.2 3 || { fail "no further ping"; return 1; }
  in_ns a ping -q -c 3 -i 0.05 -s 1392 10.9.0.2 >/dev/null || { fail "a full packet does not pass"; return 1; }
  in_ns a ping -q -c 3 -i 0.05 -s 4000 10.9.0.2 >/dev/null || { fail "fragments do not pass"; return 1; }
  [ "${1:-}" = counted_otherwise ] || wait_for 5 counters_agree || { fail "counters differ: a $(counters a) b $(counters b)"; return 1; }
  bytes=$(transfer -c 10.9.0.2 -n 30M) || { fail "TCP from a to b"; return 1; }
  [ "$bytes" -ge 20000000 ] || { fail "TCP from a to b: $bytes bytes"; return 1; }
  bytes=$(transfer -c 10.9.0.2 -n 30M -R) || { fail "TCP from b to a"; return 1; }
  bytes=$(transfer -c fd00:9::2 -n 20M -P 4) || { fail "TCP over IPv6, 4 streams"; return 1; }
  bytes=$(transfer -c 10.9.0.2 -u -b 20M -l 1300 -t 1) || { fail "UDP"; return 1; }
  [ "$bytes" -ge 2000000 ] || { fail "UDP: $bytes bytes"; return 1; }
  bytes=$(transfer -c 10.9.0.2 -u -b 5M -l 64 -t 1) || { fail "UDP of 64 bytes"; return 1; }
  [ "$bytes" -ge 100000 ] || { fail "UDP of 64 bytes: $bytes"; return 1; }
}

test_ours_with_wireguard_go() {
  need wireguard-go wg iperf3 ping || return
  pair "$ours" "$theirs" && exercise; local code=$?
  end_pair; return $code
}
test_wireguard_go_with_ours() {
  need wireguard-go wg iperf3 ping || return
  pair "$theirs" "$ours" && exercise; local code=$?
  end_pair; return $code
}
# Built outside of this tree: cargo install boringtun-cli. It counts the packets inside only.
boringtun="boringtun-cli -f --disable-drop-privileges"
test_ours_with_boringtun() {
  need boringtun-cli wg iperf3 ping || return
  pair "$ours" "$boringtun" && exercise counted_otherwise; local code=$?
  end_pair; return $code
}
test_boringtun_with_ours() {
  need boringtun-cli wg iperf3 ping || return
  pair "$boringtun" "$ours" && exercise counted_otherwise; local code=$?
  end_pair; return $code
}
test_ours_with_ours() {
  need wg iperf3 ping || return
  pair "$ours" "$ours" && exercise; local code=$?
  end_pair; return $code
}
test_ours_over_ipv6() {
  need wg iperf3 ping || return
  pair "$ours" "$ours" "[2001:db8::2]" && exercise; local code=$?
  end_pair; return $code
}
test_counters_are_those_of_wireguard_go_to_the_byte() {
  need wireguard-go wg ping || return
  pair "$ours" "$theirs" || { end_pair; return 1; }
  in_ns a ping -q -c 20 -i 0.02 -s 333 10.9.0.2 >/dev/null
  wait_for 5 counters_agree; local code=$?
  [ $code = 0 ] || fail "a $(counters a), b $(counters b)"
  end_pair; return $code
}

rung() {  # <variable=value...>
  need wg iperf3 ping || return
  export "$@"
  pair "$ours" "$ours" && exercise; local code=$? v
  for v in "$@"; do unset "${v%%=*}"; done
  end_pair; return $code
}
test_rung_tun_tcp_only() { rung MYST_WG_TUN=tcp; }
test_rung_tun_plain() { rung MYST_WG_TUN=none; }
test_rung_udp_sendmmsg() { rung MYST_WG_UDP=many; }
test_rung_udp_single() { rung MYST_WG_UDP=none; }
test_rung_everything_plain() { rung MYST_WG_TUN=none MYST_WG_UDP=none; }
test_one_thread() { rung MYST_WG_THREADS=1; }

# Beneath a kernel that refuses a rung by itself: refused <what> <what the log says then...>. The engine
# goes down one rung, says so, and loses nothing that an own choice of the rung would not.
refused() {
  local what=$1 pattern; shift
  need wg iperf3 ping && [ -x "$bin/netns_other_kernel_tool" ] || { reason=${reason:-"needs the tests' build"}; return 77; }
  pair "$bin/netns_other_kernel_tool $what $ours" "$ours" && exercise; local code=$?
  for pattern in "$@"; do grep -qE "$pattern" "$work/wga.err" "$work/wga.out" || fail "the log does not say $pattern: $(tail -n 3 "$work/wga.err")"; done
  end_pair
  [ -z "$reason" ] && return $code
}
test_kernel_without_udp_super_packets() { refused no-uso 'wireguard device.* tun="?TCP super-packets'; }
test_kernel_without_tun_offload() { refused no-offload 'wireguard device.* tun="?single packets'; }
test_kernel_refuses_udp_segment() { refused no-segment 'refused by the kernel.* udp=sendmmsg'; }
test_kernel_refuses_udp_segment_and_sendmmsg() { refused no-segment,no-sendmmsg 'refused by the kernel.* udp="single'; }
test_kernel_without_udp_gro() { refused no-gro; }
test_kernel_refuses_written_super_packets() { refused no-merge 'refused by the kernel.* merge_tcp=false'; }
test_kernel_that_mangles_udp_segment() { refused linux-7.0 'wireguard device.* udp=sendmmsg'; }
test_kernel_that_refuses_everything() { refused no-offload,no-segment,no-gro,no-sendmmsg 'refused by the kernel.* udp="single'; }

# The link refuses UDP segmentation: the kernel answers EIO or EINVAL, the engine goes a rung down.
test_link_without_checksum_offload() {
  need wg iperf3 ping ethtool || return
  pair "$ours" "$ours" || { end_pair; return 1; }
  in_ns a ethtool -K wa tx off >/dev/null 2>&1
  exercise; local code=$?
  end_pair; return $code
}

test_path_with_a_small_mtu() {
  need wg iperf3 ping || return
  pair "$ours" "$ours" || { end_pair; return 1; }
  ip -n ${prefix}a link set wa mtu 1400; ip -n ${prefix}b link set wb mtu 1400
  exercise; local code=$?
  end_pair; return $code
}

# The socket's queue is always full: the engine waits instead of dropping, and counts what left.
test_link_slower_than_its_sender() {
  need wg iperf3 ping tc || return
  pair "$ours" "$ours" || { end_pair; return 1; }
  ip netns exec ${prefix}a tc qdisc add dev wa root tbf rate 80mbit burst 64k limit 4m || { reason="needs tbf"; end_pair; return 77; }
  ping_from a 10.9.0.2 || { fail "no ping"; end_pair; return 1; }
  local bytes lost
  bytes=$(transfer -c 10.9.0.2 -t 3 -P 4) || fail "TCP"
  [ "${bytes:-0}" -gt 18000000 ] || fail "only ${bytes:-0} bytes in 3 s of 80 Mb/s"
  bytes=$(transfer -c 10.9.0.2 -u -b 400M -l 1300 -t 2) || fail "UDP"
  [ "${bytes:-0}" -gt 3000000 ] || fail "only ${bytes:-0} bytes of UDP in 2 s of 80 Mb/s"
  ping_from a 10.9.0.2 || fail "no ping afterwards"
  # The queue drops nothing: its limit is above what the socket may hold.
  lost=$(in_ns a tc -s qdisc show dev wa | sed -nE 's/.*dropped ([0-9]+),.*/\1/p' | head -n 1)
  [ "${lost:-1}" = 0 ] || fail "$lost packets were dropped behind the engine's back"
  wait_for 5 counters_agree || fail "counters differ: a $(counters a) b $(counters b)"
  end_pair
  [ -z "$reason" ]
}

# a's engine under other_kernel_tool: short_of_buffers <kinds> <every> <burst>.
short_of_buffers() {
  need wg iperf3 ping && [ -x "$bin/netns_other_kernel_tool" ] || { reason=${reason:-"needs the tests' build"}; return 77; }
  pair "$bin/netns_other_kernel_tool short=$1,$2,$3 $ours" "$ours" || { end_pair; return 1; }
}
failed_calls() {  # of other_kernel_tool
  local before; before=$(wc -l <"$work/wga.out")
  kill -USR1 "$pid_a"
  wait_for 5 eval '[ "$(wc -l <"$work/wga.out")" -gt '"$before"' ]'
  tail -n 1 "$work/wga.out"
}
# Bursts of failures that end: nothing is lost, nothing goes twice, on the rung given by the environment.
loses_nothing_for_want_of_buffers() {
  local bytes before after
  in_ns a ping -q -c 40 -i 0.02 -s 1300 10.9.0.2 >"$work/ping" || fail "no ping"
  grep -q ' 0% packet loss' "$work/ping" || fail "lost: $(grep loss "$work/ping")"
  bytes=$(transfer -c 10.9.0.2 -n 5M -P 2) || fail "TCP"
  [ "${bytes:-0}" -ge 2000000 ] || fail "TCP: ${bytes:-0} bytes"
  bytes=$(transfer -c 10.9.0.2 -u -b 5M -l 1300 -t 1) || fail "UDP"
  wait_for 5 counters_agree || fail "counters differ: a $(counters a) b $(counters b)"
  failed_calls | grep -qE 'failed [1-9][0-9]' || fail "hardly a call failed: $(failed_calls)"
  [ -z "$reason" ]
}
test_enobufs_loses_nothing() {
  local rung code=0
  for rung in segment many none; do
    export MYST_WG_UDP=$rung
    short_of_buffers s 3 5 && loses_nothing_for_want_of_buffers || code=$?
    end_pair
    [ -z "$reason" ] || { reason="$rung: $reason"; break; }
  done
  unset MYST_WG_UDP
  return $code
}
test_enobufs_of_the_tun_loses_nothing() {
  short_of_buffers w 3 3 && loses_nothing_for_want_of_buffers; local code=$?
  end_pair; return $code
}
# No buffers for two seconds: no more than some calls and little CPU time, and then all goes on.
test_enobufs_for_long_does_not_spin() {
  short_of_buffers s 0 0 || return
  local engine before after calls
  engine=$(pgrep -P "$pid_a")
  ping_from a 10.9.0.2 || fail "no ping"
  kill -USR2 "$pid_a"
  cpu_ticks() { awk '{print $14 + $15}' "/proc/$engine/stat"; }
  before=$(cpu_ticks)
  in_ns a ping -q -c 400 -i 0.005 -W 1 10.9.0.2 >/dev/null && fail "answered without buffers"
  after=$(cpu_ticks)
  calls=$(failed_calls | awk '{print $4}')
  echo "# no buffers for 2 s: $calls calls, $(((after - before) * 10)) ms of CPU time"
  [ "${calls:-9999}" -le 1000 ] || fail "$calls calls"
  [ "${calls:-0}" -ge 1 ] || fail "no call at all"
  [ $((after - before)) -le 20 ] || fail "$((after - before)) ticks of CPU time"
  kill -USR2 "$pid_a"
  wait_for 7 in_ns a ping -q -c 1 -W 1 10.9.0.2 || fail "no ping afterwards"
  in_ns a ping -q -c 20 -i 0.02 10.9.0.2 | grep -q ' 0% packet loss' || fail "still losing"
  end_pair
  [ -z "$reason" ]
}

test_mtu_changes_under_way() {
  need wg iperf3 ping || return
  pair "$ours" "$ours" || { end_pair; return 1; }
  ping_from a 10.9.0.2 || { fail "no ping"; end_pair; return 1; }
  ip -n ${prefix}a link set wga mtu 1280; ip -n ${prefix}b link set wgb mtu 1280
  exercise; local code=$?
  end_pair; return $code
}

test_wg_show_setconf_syncconf() {
  need wg ping || return
  pair "$ours" "$ours" || { end_pair; return 1; }
  ping_from a 10.9.0.2 || { fail "no ping"; end_pair; return 1; }
  in_ns a wg showconf wga >"$work/conf"
  grep -q '^ListenPort = 51820' "$work/conf" && grep -q "$(cat "$work/pubb")" "$work/conf" || { fail showconf; end_pair; return 1; }
  local other; other=$(wg genkey | wg pubkey)
  printf '[Peer]\nPublicKey = %s\nAllowedIPs = 10.9.1.0/24, 10.9.2.0/24\nPersistentKeepalive = 25\nPresharedKey = %s\n' "$other" "$(wg genpsk)" >>"$work/conf"
  in_ns a wg syncconf wga "$work/conf" || { fail syncconf; end_pair; return 1; }
  [ "$(in_ns a wg show wga peers | wc -l)" = 2 ] || { fail "syncconf: peers"; end_pair; return 1; }
  [ "$(in_ns a wg show wga latest-handshakes | grep -c -v '	0$')" = 1 ] || { fail "syncconf ended the session"; end_pair; return 1; }
  ping_from a 10.9.0.2 || { fail "no ping after syncconf"; end_pair; return 1; }
  in_ns a wg set wga peer "$other" remove
  [ "$(in_ns a wg show wga peers | wc -l)" = 1 ] || { fail "remove"; end_pair; return 1; }
  in_ns a wg setconf wga "$work/conf" || { fail setconf; end_pair; return 1; }
  ping_from a 10.9.0.2 4 || { fail "no ping after setconf"; end_pair; return 1; }
  in_ns a wg set wga fwmark 0x30 listen-port 51999 || { fail "fwmark"; end_pair; return 1; }
  [ "$(in_ns a wg show wga fwmark)" = 0x30 ] || { fail "fwmark: $(in_ns a wg show wga fwmark)"; end_pair; return 1; }
  ping_from a 10.9.0.2 4 || { fail "no ping after a change of port"; end_pair; return 1; }
  end_pair
}

test_peer_roams_under_traffic() {
  need wireguard-go wg ping || return
  pair "$ours" "$ours" || { end_pair; return 1; }
  ping_from a 10.9.0.2 || { fail "no ping"; end_pair; return 1; }
  ip -n ${prefix}a addr add 192.0.2.77/24 dev wa
  ip -n ${prefix}a addr del 192.0.2.1/24 dev wa
  ip -n ${prefix}a addr show wa | grep -q 192.0.2.77 || ip -n ${prefix}a addr add 192.0.2.77/24 dev wa
  ping_from a 10.9.0.2 5 || { fail "no ping from the new address"; end_pair; return 1; }
  in_ns b wg show wgb endpoints | grep -q 192.0.2.77 || { fail "b did not follow: $(in_ns b wg show wgb endpoints)"; end_pair; return 1; }
  ping_from b 10.9.0.1 3 || { fail "no ping back"; end_pair; return 1; }
  end_pair
}

test_link_down_and_up() {
  need wg ping || return
  pair "$ours" "$ours" || { end_pair; return 1; }
  ping_from a 10.9.0.2 || { fail "no ping"; end_pair; return 1; }
  ip -n ${prefix}a link set wga down
  in_ns b ping -q -c 1 -W 1 10.9.0.1 >/dev/null && { fail "answered while down"; end_pair; return 1; }
  ip -n ${prefix}a link set wga up
  # At once: neither for the news of the link nor for Rekey-Timeout does the first packet wait.
  in_ns a ping -q -c 1 -W 2 10.9.0.2 >/dev/null || { fail "no ping after up"; end_pair; return 1; }
  sleep 0.1  # a second initiation within a fiftieth of a second is a flood to every implementation
  ip -n ${prefix}a link set wga down
  ip -n ${prefix}a link set wga up
  in_ns a ping -q -c 1 -W 2 10.9.0.2 >/dev/null || { fail "no ping after a short down"; end_pair; return 1; }
  end_pair
}

test_deleted_link_ends_the_engine() {
  need wg || return
  pair "$ours" "$ours" || { end_pair; return 1; }
  ip -n ${prefix}a link del wga
  wait_for 5 process_gone "$pid_a" || { fail "still there"; end_pair; return 1; }
  [ ! -e /var/run/wireguard/wga.sock ] || { fail "control socket left behind"; end_pair; return 1; }
  end_pair
}

# 50 peers on one device of ours, each a device of ours in one other process' namespace.
test_fifty_peers_on_one_device() {
  need wg ping || return
  local i rss
  ns_del a; ns_add a
  for i in $(seq 50); do ns_del "p$i"; ns_add "p$i"; done
  ip -n ${prefix}a link add br0 type bridge && ip -n ${prefix}a addr add 192.0.2.1/24 dev br0 && ip -n ${prefix}a link set br0 up
  wg genkey >"$work/keya"; wg pubkey <"$work/keya" >"$work/puba"
  start_engine a wga $ours || return 1
  in_ns a wg set wga private-key "$work/keya" listen-port 51820
  ip -n ${prefix}a addr add 10.9.0.1/16 dev wga; ip -n ${prefix}a link set wga up
  for i in $(seq 50); do
    ip -n ${prefix}a link add "v$i" type veth peer name up0 netns "${prefix}p$i"
    ip -n ${prefix}a link set "v$i" master br0 up
    ip -n "${prefix}p$i" addr add "192.0.2.$((i + 1))/24" dev up0; ip -n "${prefix}p$i" link set up0 up
    wg genkey >"$work/k$i"
    in_ns a wg set wga peer "$(wg pubkey <"$work/k$i")" allowed-ips "10.9.1.$i/32"
    spawn "wgp$i" ip netns exec "${prefix}p$i" $ours "wgp$i"
  done
  for i in $(seq 50); do
    wait_for 10 in_ns "p$i" wg show "wgp$i" || { fail "peer $i does not start"; return 1; }
    in_ns "p$i" wg set "wgp$i" private-key "$work/k$i" peer "$(cat "$work/puba")" endpoint 192.0.2.1:51820 allowed-ips 10.9.0.0/16
    ip -n "${prefix}p$i" addr add "10.9.1.$i/16" dev "wgp$i"; ip -n "${prefix}p$i" link set "wgp$i" up
  done
  for i in $(seq 50); do
    spawn "ping$i" ip netns exec "${prefix}p$i" ping -q -i 0.01 -c 20 -s 1300 -W 8 10.9.0.1
    eval "ping_$i=$spawned"
  done
  for i in $(seq 50); do eval "wait \$ping_$i" || fail "peer $i gets no answer"; done
  [ "$(in_ns a wg show wga latest-handshakes | grep -c -v '	0$')" = 50 ] || fail "handshakes: $(in_ns a wg show wga latest-handshakes | grep -c -v '	0$')"
  rss=$(awk '/VmHWM/ {print $2}' "/proc/$pid_a/status")
  echo "# fifty peers: peak RSS $rss KB"
  [ "$rss" -le 8192 ] || fail "peak RSS $rss KB"
  for i in $(seq 50); do in_ns a wg set wga peer "$(wg pubkey <"$work/k$i")" remove; done
  in_ns a wg show wga >/dev/null || fail "gone after the peers were removed"
  end_process "$pid_a"
  for i in $(seq 50); do ns_del "p$i"; done
  ns_del a
  [ -z "$reason" ]
}

test_no_wakeups_without_traffic() {
  need wg ping || return
  pair "$ours" "$ours" || { end_pair; return 1; }
  # Threads and links that have just begun settle first; being preempted is no wake-up. Addresses and
  # routes that change elsewhere are no business of the engine.
  sleep 1
  local before after
  before=$(cat /proc/"$pid_a"/task/*/status | awk '/^voluntary_ctxt_switches/ {n += $2} END {print n}')
  sleep 1
  ip -n ${prefix}a addr add 198.51.100.1/24 dev wa
  ip -n ${prefix}a route add 203.0.113.0/24 via 192.0.2.2
  sleep 2
  after=$(cat /proc/"$pid_a"/task/*/status | awk '/^voluntary_ctxt_switches/ {n += $2} END {print n}')
  [ "$after" = "$before" ] || fail "$((after - before)) wake-ups in 3 s"
  local code=$?
  end_pair; return $code
}

# paced <bits a second>: bytes that TCP of this rate brings in two seconds.
paced() { transfer -c 10.9.0.2 -b "$1" -t 2; }
# steady <name of the flood> <command...>: TCP of 200 Mbit/s loses at most 5 % to what the command sends
# meanwhile. Others use the machine, too: the best of three.
steady() {
  local name=$1 try before after=0; shift
  for try in 1 2 3; do
    before=$(paced 200M) || continue
    spawn "$name" "$@"
    flood=$spawned
    wait_line 10 "$name" fires || { fail "$name: $(tail -n 1 "$work/$name.err")"; return 1; }
    after=$(paced 200M) || after=0
    kill -0 "$flood" 2>/dev/null || { fail "$name ended too early"; return 1; }
    wait "$flood"
    echo "# $name: $(head -n 2 "$work/$name.out" | tail -n 1), $after of $before bytes"
    [ "$after" -ge $((before * 95 / 100)) ] && return 0
  done
  fail "$after bytes in the time of $before"
}
# Hundredths of a second that the loop's thread of b has had.
loop_time() { awk '{print $14 + $15}' "/proc/$pid_b/task/$pid_b/stat"; }
rss_of_b() {
  local rss
  rss=$(awk '/VmHWM/ {print $2}' "/proc/$pid_b/status")
  [ "${rss:-99999}" -le 8192 ] || fail "peak RSS $rss KB"
}

# Handshakes with a right mac1 and nothing behind them, 300 thousand a second: live sessions go on, and
# whoever begins anew gets in by its cookie.
test_handshake_flood() {
  need wg iperf3 && [ -x "$bin/netns_hostile_tool" ] || { reason=${reason:-"needs the tests' build"}; return 77; }
  pair "$ours" "$ours" || { end_pair; return 1; }
  ping_from a 10.9.0.2 || { fail "no ping"; end_pair; return 1; }
  local flood shoot=(ip netns exec ${prefix}a "$bin/netns_hostile_tool" handshakes "$(cat "$work/pubb")" 192.0.2.2 51821)
  steady handshakes "${shoot[@]}" 8 300000
  spawn more "${shoot[@]}" 30 300000
  flood=$spawned
  wait_line 10 more fires
  ip -n ${prefix}a link set wga down; ip -n ${prefix}a link set wga up  # a new handshake
  # Two attempts five seconds apart where no message is lost; the line for those without a cookie may be full.
  wait_for 17 in_ns a ping -q -c 1 -W 1 10.9.0.2 || fail "no new session during the flood"
  local spent
  spent=$(loop_time); sleep 2; spent=$(($(loop_time) - spent))
  echo "# handshakes: the loop had $((spent / 2)) % of a core"
  [ "$spent" -le 80 ] || fail "answering the flood took $((spent / 2)) % of a core"
  process_gone "$flood" && fail "the flood ended too early"
  end_process "$flood"
  kill -0 "$pid_b" || fail "engine died"
  ping_from a 10.9.0.2 || fail "no ping afterwards"
  [ "$(in_ns b wg show wgb peers | wc -l)" = 1 ] || fail "other peers"
  rss_of_b
  end_pair
  [ -z "$reason" ]
}

# Forged, cut, lengthened, replayed, reordered and oversized transport messages and noise, as fast as two
# cores make them: not a byte of it is counted, nobody's address is believed, and the session goes on.
test_hostile_datagrams() {
  need wg iperf3 && [ -x "$bin/netns_hostile_tool" ] || { reason=${reason:-"needs the tests' build"}; return 77; }
  pair "$ours" "$ours" || { end_pair; return 1; }
  ping_from a 10.9.0.2 || { fail "no ping"; end_pair; return 1; }
  local flood before after pings shoot=(ip netns exec ${prefix}a "$bin/netns_hostile_tool" transport wa 192.0.2.2 51821)
  ( for pings in 1 2 3 4; do sleep 0.5; ping_from a 10.9.0.2 15; done ) &  # small ones to make others of
  pings=$!
  spawn caught "${shoot[@]}" 4
  flood=$spawned
  wait_line 10 caught fires || fail "nothing was caught: $(tail -n 1 "$work/caught.err")"
  wait $pings
  # Of the real ones some may have been lost on the way.
  [ "$(counters b | cut -f1)" -le "$(counters a | cut -f2)" ] || fail "counted too much: a $(counters a) b $(counters b)"
  before=$(counters b)
  sleep 0.5
  after=$(counters b)
  [ "$before" = "$after" ] || fail "counted what was not authentic: $before, then $after"
  process_gone "$flood" && fail "the flood ended too early"
  wait "$flood"
  echo "# hostile: $(sed -n 2p "$work/caught.out")"
  in_ns b wg show wgb endpoints | grep -q '192.0.2.1:51820$' || fail "endpoint: $(in_ns b wg show wgb endpoints)"
  kill -0 "$pid_b" || fail "engine died"
  before=$(($(counters a | cut -f2) - $(counters b | cut -f1)))
  ping_from a 10.9.0.2 10 || fail "no ping afterwards"
  after=$(($(counters a | cut -f2) - $(counters b | cut -f1)))
  [ "$before" = "$after" ] || fail "counters differ by $before, then by $after"
  if [ -z "$reason" ]; then
    ( while kill -0 $$ 2>/dev/null && [ ! -e "$work/quiet" ]; do ping_from a 10.9.0.2 10; done ) &
    pings=$!
    steady transport "${shoot[@]}" 8 100000
    : >"$work/quiet"; wait $pings
    [ "$(counters b | cut -f1)" -le "$(counters a | cut -f2)" ] || fail "counted too much: a $(counters a) b $(counters b)"
  fi
  rss_of_b
  end_pair
  [ -z "$reason" ]
}

test_malformed_control_text() {
  need wg python3 ping || return
  pair "$ours" "$ours" || { end_pair; return 1; }
  ping_from a 10.9.0.2 || { fail "no ping"; end_pair; return 1; }
  in_ns a wg showconf wga >"$work/conf"
  spawn control python3 "$here/hostile.py" /var/run/wireguard/wga.sock
  wait_line 20 control survived || fail "$(cat "$work/control.err")"
  in_ns a timeout 2 wg showconf wga | cmp -s "$work/conf" - || fail "no answer, or another configuration"
  ping_from a 10.9.0.2 || fail "no ping afterwards"
  end_pair
  [ -z "$reason" ]
}

# The longest prefix says whose packet it is, in both directions; a prefix has one owner.
test_allowed_ips_that_overlap() {
  need wg ping || return
  pair "$ours" "$ours" || { end_pair; return 1; }
  local other; other=$(wg genkey | wg pubkey)
  in_ns a wg set wga peer "$other" allowed-ips 10.9.0.0/24,10.9.0.0/16
  ping_from a 10.9.0.2 || fail "the longer prefix does not win"
  in_ns a wg set wga peer "$other" allowed-ips 10.9.0.2/32
  in_ns a ping -q -c 1 -W 1 10.9.0.2 >/dev/null 2>&1 && fail "the prefix has two owners"
  # From b comes what is no longer b's.
  in_ns b ping -q -c 1 -W 1 10.9.0.1 >/dev/null 2>&1 && fail "b is still believed"
  in_ns a wg set wga peer "$(cat "$work/pubb")" allowed-ips 10.9.0.2/32
  ping_from a 10.9.0.2 5 || fail "no way back"
  end_pair
  [ -z "$reason" ]
}

test_wrong_keys() {
  need wg ping || return
  pair "$ours" "$ours" || { end_pair; return 1; }
  in_ns b wg set wgb peer "$(cat "$work/puba")" preshared-key <(wg genpsk)
  in_ns a ping -q -c 2 -i 0.2 -W 1 10.9.0.2 >/dev/null 2>&1 && fail "another preshared key"
  in_ns b wg set wgb peer "$(cat "$work/puba")" preshared-key /dev/null
  in_ns b wg set wgb private-key <(wg genkey)
  in_ns a ping -q -c 2 -i 0.2 -W 1 10.9.0.2 >/dev/null 2>&1 && fail "another private key"
  [ "$(in_ns b wg show wgb latest-handshakes | cut -f2)" = 0 ] || fail "a handshake was counted"
  in_ns b wg set wgb private-key "$work/keyb"
  wait_for 10 in_ns a ping -q -c 1 -W 1 10.9.0.2 || fail "no ping with the right keys"
  end_pair
  [ -z "$reason" ]
}

test_peers_come_and_go_under_traffic() {
  need wg iperf3 ping || return
  pair "$ours" "$ours" || { end_pair; return 1; }
  ping_from a 10.9.0.2 || { fail "no ping"; end_pair; return 1; }
  ( end=$((SECONDS + 3)); while [ $SECONDS -lt $end ]; do
      k=$(wg genkey | wg pubkey)
      in_ns b wg set wgb peer "$k" allowed-ips 10.77.0.0/24 endpoint 192.0.2.200:9 persistent-keepalive 1
      in_ns b wg set wgb peer "$k" remove
    done ) &
  local churn=$! bytes
  bytes=$(transfer -c 10.9.0.2 -t 3) || fail "TCP"
  wait $churn
  [ "${bytes:-0}" -gt 10000000 ] || fail "only ${bytes:-0} bytes"
  kill -0 "$pid_b" || fail "engine died"
  end_pair
  [ -z "$reason" ]
}

# What the programs do: one device a session in one process, sockets handed over.
test_many_devices_in_one_process() {
  local kb
  [ -x "$bin/netns_wireguard_devices_tool" ] || { reason="needs the tests' build"; return 77; }
  ns_del m; ns_add m
  in_ns m "$bin/netns_wireguard_devices_tool" 50 >"$work/devices" 2>&1 || { fail "$(tail -n 3 "$work/devices")"; ns_del m; return 1; }
  ns_del m
  grep -q '^handshakes 100$' "$work/devices" || { fail "$(cat "$work/devices")"; return 1; }
  kb=$(awk '/^kb_per_session/ {print $2}' "$work/devices")
  echo "many devices: $kb KB a session, $(grep first_ms "$work/devices")"
  awk -v kb="$kb" 'BEGIN {exit !(kb <= 40)}' || fail "$kb KB a session"
}

run_tests "$@"
