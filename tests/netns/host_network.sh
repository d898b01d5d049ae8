#!/bin/bash
# A provider serving a session and a consumer using a tunnel, on real packets. The tunnel itself is a
# wire: what is tested is everything around it.
#
#   c (consumer) --myst3-- p (provider) --lan-- h (home router) --wan-- w (the internet)
#                          p --lan-- n (neighbour in the provider's LAN)
prefix=mystsys-
. "$(dirname "$0")/lib.sh"
tool=$bin/netns_host_network_tool
python=$(PYENV_VERSION=system command -v /usr/bin/python3 || command -v python3)

network() {
  local one
  ns_del c p h w n
  ns_add c p h w n
  for one in c p h w n; do in_ns $one sysctl -qw net.ipv6.conf.default.accept_dad=0; done
  in_ns h ip link add lan type bridge && in_ns h ip link set lan up || { reason="no bridge"; return 77; }
  wire h lan-p - p eth0 192.168.50.2/24; wire h lan-n - n eth0 192.168.50.3/24
  in_ns h ip link set lan-p master lan; in_ns h ip link set lan-n master lan
  in_ns h ip addr add 192.168.50.1/24 dev lan
  wire h wan 198.51.100.2/24 w eth0 198.51.100.1/24
  in_ns w ip addr add 203.0.113.7/32 dev eth0; in_ns w ip addr add 203.0.113.8/32 dev eth0
  nat_router h wan "${1:-cone}"
  route p default via 192.168.50.1; route n default via 192.168.50.1; route h default via 198.51.100.1
  rm -rf "$work/state" "$work/etc"; mkdir -p "$work/state" "$work/etc"
  export MYST_RESOLV_CONF=$work/etc/resolv.conf
  echo 'nameserver 203.0.113.8' >"$MYST_RESOLV_CONF"
  serve_net w web echo 203.0.113.7 80 && serve_net w dns dns 203.0.113.8 203.0.113.7 &&
    serve_net n neighbour echo 192.168.50.3 80
}

# node <ns> [policy]: starts the tool; it answers what `tell` says to it.
node() {
  mkfifo "$work/tell"; exec 8<>"$work/tell"; rm "$work/tell"
  : >"$work/node.out"; told=1
  spawn node in_ns "$1" "$tool" "$work/state" ${2:-} <&8
  wait_line 10 node ready || { fail "node: $(cat "$work/node.out" "$work/node.err")"; return 1; }
}
end_node() { echo quit >&8; wait_line 10 node ended; exec 8>&-; wait_for 5 process_gone "$spawned"; }
must() { "$@" >/dev/null || { fail "should work: $*"; return 1; }; }

session_wire() {  # the "tunnel": the provider's end has no address yet
  wire p myst3 - c tun0 10.182.3.2/24
  route c default via 10.182.3.1
}
serving() {
  network || return
  node p "${1:-}" && tell start && tell claim myst3 && session_wire && tell session myst3 10.182.3.1/24 "${2:-0}" ${1:-}
}
rules() { in_ns p iptables-save | grep -v -e '^#' -e '^:' -e '^\*' -e COMMIT; }

test_session_reaches_the_internet_and_nothing_else() {
  serving || return
  is "$(net c ask tcp 203.0.113.7 80)" 198.51.100.2 "through both NATs" || return
  is "$(net c ask udp 203.0.113.7 80)" 198.51.100.2 || return
  must_not net c ask tcp 192.168.50.3 80 || return      # the provider's LAN
  must_not net c ask udp 192.168.50.3 80 || return
  serve_net p own echo 0.0.0.0 8080
  must_not net c ask tcp 10.182.3.1 8080 || return      # the provider itself, by all its names
  must_not net c ask tcp 192.168.50.2 8080 || return
  must_not net c ask udp 10.182.3.1 8080 || return
  must net n ask tcp 192.168.50.2 8080 || return        # who else is served, still is
  # Any source address fits through WireGuard's allowed IPs.
  in_ns c ip addr add 192.168.50.77/32 dev tun0
  must_not net c ask udp 192.168.50.3 80 192.168.50.77 || return
  must_not net c ask udp 203.0.113.7 80 192.168.50.77 || return
  # Nobody opens connections to the consumer.
  serve_net c behind echo 10.182.3.2 80
  route n 10.182.3.0/24 via 192.168.50.2
  must_not net n ask tcp 10.182.3.2 80 || return
  is "$(in_ns p sysctl -n net.ipv6.conf.myst3.disable_ipv6)" 1 || return
  end_node; is "$(rules)" "" "rules are left"
}
test_session_dns_by_udp_and_tcp() {
  serving || return
  is "$(net c resolve 10.182.3.1 any.test)" 203.0.113.7 udp || return
  is "$(net c resolve 10.182.3.1 any.test tcp)" 203.0.113.7 tcp || return
  # An open resolver is a weapon: nobody else is answered.
  in_ns n ip addr add 192.168.50.4/24 dev eth0
  must_not net n resolve 192.168.50.2 any.test; local code=$?
  end_node; return $code
}
test_session_dns_policy_opens_what_it_allows() {
  serving policy || return
  must_not net c ask tcp 203.0.113.7 80 || return
  is "$(net c resolve 10.182.3.1 x.forbidden.test)" 203.0.113.7 || return
  must_not net c ask tcp 203.0.113.7 80 || return
  is "$(net c resolve 10.182.3.1 x.allowed.test)" 203.0.113.7 || return
  must net c ask tcp 203.0.113.7 80; local code=$?
  end_node; return $code
}
test_session_ends_and_leaves_nothing() {
  serving || return
  before=$(rules)
  tell claim myst4 || return
  ip -n ${prefix}p tuntap add dev myst4 mode tun
  tell session myst4 10.182.4.1/24 && tell end-session 10.182.4.0/24 || return
  is "$(rules)" "$before" || return
  ip -n ${prefix}p link del myst4
  tell drop myst4 && tell end-session 10.182.3.0/24 && tell drop myst3 && tell stop || return
  is "$(rules)" "" || return
  is "$(in_ns p sysctl -n net.ipv4.ip_forward)" 0 || return
  must_not ip -n ${prefix}p -o link show myst3 2>/dev/null || return  # dropped: gone, although its maker had not removed it
  end_node
}
test_session_is_fast_to_open() {
  serving || return
  local i ms worst=0
  for i in 10 11 12 13 14 15; do
    tell claim myst$i || return
    ip -n ${prefix}p tuntap add dev myst$i mode tun
    tell session myst$i 10.182.$i.1/24 || return
    ms=$(echo "$answer" | awk '{print int($1 + 1)}')
    [ "$ms" -gt "$worst" ] && worst=$ms
  done
  echo "# a session's rules, addresses and journal: at most $worst ms"
  end_node
  # The budget of a whole connect is 100 ms; a loaded machine gets some slack.
  [ "$worst" -le 150 ] || fail "opening a session took $worst ms"
}
# A device a session: the queue of their limits comes with the first and goes with the last.
test_session_rate_is_limited() {
  has_program iperf3 || { reason="needs iperf3"; return 77; }
  ip link add mystprobe type ifb 2>/dev/null && ip link del mystprobe || { reason="needs ifb"; return 77; }
  serving "" 1000000 || return
  local way rate
  for way in "" -R; do
    spawn server3 in_ns w iperf3 -s -p 5203 -1
    wait_for 5 in_ns w sh -c 'ss -ltn | grep -q :5203' || { fail "no iperf3"; return 1; }
    in_ns c iperf3 -J -c 203.0.113.7 -p 5203 -t 4 $way >"$work/flow.out" || { fail "traffic"; return 1; }
    rate=$("$python" -c "import json, sys; print(int(json.load(open(sys.argv[1]))['end']['sum_received']['bits_per_second'] / 8))" "$work/flow.out")
    echo "# limit of 1 MB/s ${way:-up}: $rate bytes a second"
    [ "${rate:-0}" -gt 900000 ] && [ "$rate" -lt 1100000 ] || { fail "${way:-up}: $rate bytes a second"; return 1; }
  done
  tell claim myst4 || return
  ip -n ${prefix}p tuntap add dev myst4 mode tun
  tell session myst4 10.182.4.1/24 1000000 && tell end-session 10.182.3.0/24 || return
  in_ns p tc class show dev rate-MYST | grep -q '1:104 ' || { fail "the other session has lost its class"; return 1; }
  in_ns p tc class show dev rate-MYST | grep -q '1:103 ' && { fail "a class is left"; return 1; }
  tell end-session 10.182.4.0/24 || return
  in_ns p ip -o link | grep -q ' rate-' && { fail "the queue is left"; return 1; }
  is "$(in_ns p tc qdisc | grep -c clsact)" 0 "redirections are left" || return
  end_node
}
# Two sessions behind a rate of both: the one with four flows gets as much as the one with one, and
# who is alone gets all; each direction.
test_sessions_share_a_rate_evenly() {
  has_program iperf3 || { reason="needs iperf3"; return 77; }
  ip link add mystprobe type ifb 2>/dev/null && ip link del mystprobe || { reason="needs ifb"; return 77; }
  network || return
  ns_del d; ns_add d
  export MYST_TOTAL_RATE=4000000
  node p || return
  unset MYST_TOTAL_RATE
  tell start && tell claim myst3 && session_wire && tell session myst3 10.182.3.1/24 && tell claim myst4 || return
  wire p myst4 - d tun0 10.182.4.2/24; route d default via 10.182.4.1
  tell session myst4 10.182.4.1/24 || return
  local way one two
  for way in "" -R; do
    spawn server3 in_ns w iperf3 -s -p 5203 -1; spawn server4 in_ns w iperf3 -s -p 5204 -1
    wait_for 5 in_ns w sh -c 'ss -ltn | grep -q :5203 && ss -ltn | grep -q :5204'
    spawn many in_ns c iperf3 -J -c 203.0.113.7 -p 5203 -P 4 -O 1 -t 4 $way; one=$spawned
    spawn single in_ns d iperf3 -J -c 203.0.113.7 -p 5204 -O 1 -t 4 $way; two=$spawned
    wait "$one" "$two"
    "$python" - "$work/many.out" "$work/single.out" >"$work/shares" <<'PY' || { fail "shares ${way:-up}: $(cat "$work/shares")"; return 1; }
import json, sys
many, single = (json.load(open(path))['end']['sum_received']['bits_per_second'] / 8 for path in sys.argv[1:])
print(f'{many:.0f} and {single:.0f} bytes a second')
sys.exit(not (2.5e6 < many + single < 4.4e6 and 0.75 < many / single < 1.33))
PY
    echo "# shares ${way:-up}: $(cat "$work/shares")"
  done
  serve_net w feed feed 203.0.113.7 81
  one=$(net c load 203.0.113.7 81 6000000)
  [ "${one:-0}" -gt 2800000 ] && [ "$one" -lt 4800000 ] || { fail "alone: $one bytes a second"; return 1; }
  tell end-session 10.182.4.0/24 && tell end-session 10.182.3.0/24 && tell drop myst4 && tell drop myst3 && tell stop || return
  in_ns p ip -o link | grep -q ' rate-' && { fail "the queue is left"; return 1; }
  end_node; ns_del d
}
test_session_without_a_name_server_port_is_refused() {
  network || return
  spawn taken in_ns p "$python" "$here/net.py" echo 0.0.0.0 11253
  wait_line 10 taken ready; node p || return
  if tell start; then fail "it claims to serve"; return 1; fi
  reason=""
  wait_for 5 test -z "$(rules)"; is "$(rules)" "" "rules are left"; local code=$?
  end_node; return $code
}
test_earlier_drop_of_others_does_not_win() {
  network || return
  in_ns p iptables -P FORWARD DROP; in_ns p iptables -A FORWARD -j DROP
  node p && tell start && tell claim myst3 && session_wire && tell session myst3 10.182.3.1/24 || return
  is "$(net c ask tcp 203.0.113.7 80)" 198.51.100.2; local code=$?
  end_node; return $code
}

# The provider's own uplink as a consumer's: p is the host, myst0 a wire to w.
consuming() {
  network || return
  wire p myst0 - w tun0 10.182.9.1/24
  in_ns w ip addr add 203.0.113.9/32 dev eth0
  node p
}
test_tunnel_takes_everything_but_the_provider() {
  consuming || return
  tell outbound || return
  case $answer in *192.168.50.2) ;; *) fail "outbound: $answer"; return 1 ;; esac
  tell exclude 203.0.113.9 && tell exclude 192.168.50.3 || return
  is "$(in_ns p ip route show 203.0.113.9)" "203.0.113.9 via 192.168.50.1 dev eth0 proto static " || return
  is "$(in_ns p ip route show 192.168.50.3/32)" "" "an on-link peer needs no route" || return
  tell tunnel myst0 10.182.9.2/24 10.182.9.1 || return
  is "$(net p ask tcp 203.0.113.7 80)" 10.182.9.2 "through the tunnel" || return
  is "$(cat "$MYST_RESOLV_CONF" | grep nameserver)" "nameserver 10.182.9.1" || return
  in_ns p ip -6 route show | grep -q '^8000::/1 dev myst0' || { fail "no IPv6 half routes"; return 1; }
  in_ns p ip route get 203.0.113.9 | grep -q 'via 192.168.50.1 dev eth0' || { fail "provider inside its tunnel"; return 1; }
  tell end-tunnel myst0 && tell release 203.0.113.9 && tell release 192.168.50.3 || return
  is "$(cat "$MYST_RESOLV_CONF")" "nameserver 203.0.113.8" || return
  is "$(in_ns p ip route | grep -c static)" 0 "routes left"; local code=$?
  end_node; return $code
}
route_follows() { in_ns p ip route show 203.0.113.9 | grep -q "via $1"; }
test_exclusion_follows_the_gateway() {
  consuming || return
  tell exclude 203.0.113.9 && tell tunnel myst0 10.182.9.2/24 || return
  in_ns h ip addr add 192.168.50.254/24 dev lan
  in_ns p ip route replace default via 192.168.50.254
  wait_for 5 route_follows 192.168.50.254 || { fail "$(in_ns p ip route)"; return 1; }
  end_node; is "$(in_ns p ip route | grep -c 203.0.113.9)" 0
}
test_kill_switch_lets_nothing_out() {
  consuming || return
  mkfifo "$work/talk"; exec 6<>"$work/talk"; rm "$work/talk"
  spawn talk in_ns p "$python" "$here/net.py" talk 203.0.113.7 80 <&6
  wait_line 5 talk connected || { fail "talk"; return 1; }
  echo >&6; wait_line 5 talk got || { fail "talk"; return 1; }
  # Somebody's connection from outside must survive.
  serve_net p ssh echo 0.0.0.0 22
  must net n ask tcp 192.168.50.2 22 || return
  tell kill-switch 0 - 203.0.113.9 || return
  must_not net p ask tcp 203.0.113.7 80 || return
  must_not net p ask udp 203.0.113.7 80 || return
  must_not net p resolve 203.0.113.8 any.test || return
  must net n ask tcp 192.168.50.2 22 || return
  echo >&6; wait_line 10 talk broken || { fail "a flow that was open before goes on"; return 1; }
  serve_net w provider echo 203.0.113.9 90
  must net p ask tcp 203.0.113.9 90 || return
  in_ns p ip6tables-save | grep -q KILL_SWITCH || { fail "no IPv6 twin"; return 1; }
  # With the tunnel up, through it and only through it.
  tell exclude 203.0.113.9 && tell tunnel myst0 10.182.9.2/24 && tell kill-switch 0 myst0 203.0.113.9 || return
  is "$(net p ask tcp 203.0.113.7 80)" 10.182.9.2 || return
  tell end-tunnel myst0 || return
  must_not net p ask tcp 203.0.113.7 80 || return
  tell end-kill-switch 0 && tell release 203.0.113.9 || return
  is "$(rules)" "" "rules are left" || return
  must net p ask tcp 203.0.113.7 80; local code=$?
  exec 6>&-; end_node; return $code
}
test_symmetric_router_changes_ports() {
  network symmetric || return
  in_ns h iptables-save -t nat | grep -q -- '--random' && must net p ask udp 203.0.113.7 80
}
run_tests "$@"
