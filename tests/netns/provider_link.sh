#!/bin/bash
# The sessions of a provider on one device: real tunnels, consumers that are `myst wireguard` set up
# by `wg`.
#
#   c1, c2, c3 (consumers) --- p (provider, mystp0) --- w (the internet)
prefix=mystpl-
. "$(dirname "$0")/lib.sh"
tool=$bin/netns_provider_link_tool
python=$(PYENV_VERSION=system command -v /usr/bin/python3 || command -v python3)
umask 077

network() {
  local i p
  for p in wg ping iperf3; do has_program $p || { reason="needs $p"; return 77; }; done
  exec 8>&-
  # What the test before has left running: the names of control sockets are everybody's.
  for p in "${started[@]+"${started[@]}"}"; do end_process "$p"; done
  started=()
  ns_del p w c1 c2 c3; ns_add p w c1 c2 c3
  wire p eth0 198.51.100.2/24 w eth0 198.51.100.1/24
  in_ns w ip addr add 203.0.113.7/32 dev eth0; in_ns w ip addr add 203.0.113.8/32 dev eth0
  route p default via 198.51.100.1
  for i in 1 2 3; do
    wire c$i eth0 192.0.2.$((i * 4 + 2))/30 p to-c$i 192.0.2.$((i * 4 + 1))/30
    for p in c$i p$i; do wg genkey >"$work/key-$p"; wg pubkey <"$work/key-$p" >"$work/pub-$p"; done
  done
  rm -rf "$work/state"; mkdir -p "$work/state"
  export MYST_RESOLV_CONF=$work/resolv.conf
  echo 'nameserver 203.0.113.8' >"$MYST_RESOLV_CONF"
  serve_net w web echo 203.0.113.7 80 && serve_net w dns dns 203.0.113.8 203.0.113.7 && serve_net w feed feed 203.0.113.7 81
}

provider() {
  mkfifo "$work/tell"; exec 8<>"$work/tell"; rm "$work/tell"
  : >"$work/node.out"; told=1
  # Not in_ns: the process whose id this is shall be the tool itself.
  spawn node ip netns exec ${prefix}p "$tool" "$work/state" <&8
  node=$spawned
  wait_line 10 node ready && tell prepare || fail "$(cat "$work/node.out" "$work/node.err")"
}
end_provider() {
  echo quit >&8; wait_line 10 node ended && wait_for 5 process_gone "$node" || { fail "no end"; return 1; }
  is "$(rules)" "" "rules are left" && is "$(links)" "" "links are left"
}
rules() { in_ns p iptables-save | grep -v -e '^#' -e '^:' -e '^\*' -e COMMIT; }
links() { ip -n ${prefix}p -o link | awk -F': ' '$2 ~ /^(myst|rate-)/ {print $1 " " $2}'; }

# session <i>: wg<i> there, since the control sockets are everybody's. Its tunnel on the provider, and its consumer, who sends all to the internet through it.
session() {
  local i=$1
  tell open $i "$(cat "$work/key-p$i")" "$(cat "$work/pub-c$i")" $((51820 + i)) || return
  spawn wg$i ip netns exec ${prefix}c$i "$bin/myst" wireguard -f wg$i
  eval "consumer$i=$spawned"
  wait_for 10 in_ns c$i wg show wg$i || { fail "$(cat "$work/wg$i.err")"; return 1; }
  in_ns c$i wg set wg$i private-key "$work/key-c$i" peer "$(cat "$work/pub-p$i")" allowed-ips 0.0.0.0/0 \
    endpoint 192.0.2.$((i * 4 + 1)):$((51820 + i)) &&
    ip -n ${prefix}c$i addr add 10.182.$i.2/24 dev wg$i && ip -n ${prefix}c$i link set wg$i up &&
    route c$i 203.0.113.0/24 dev wg$i && route c$i 10.182.0.0/16 dev wg$i
}
all_sessions() { provider && session 1 && session 2 && session 3; }
counted() {  # <i>: what the consumer has sent and received is what its session has counted, to the byte
  tell counters $1 || return
  [ "$(in_ns c$1 wg show wg$1 transfer | awk '{print $3 "\t" $2}')" = "$answer" ]
}
# flow <i> <seconds> [iperf3 arguments]: TCP to the internet in the background, its result in flow<i>.out.
flow() {
  local i=$1 seconds=$2; shift 2
  spawn server$i ip netns exec ${prefix}w iperf3 -s -p 520$i -1
  wait_for 5 in_ns w sh -c "ss -ltn | grep -q :520$i" || { fail "no iperf3"; return 1; }
  spawn flow$i ip netns exec ${prefix}c$i iperf3 -J -c 203.0.113.7 -p 520$i -t "$seconds" "$@"
  eval "flow$i=$spawned"
}
rate_of() {  # <i>: bytes a second that arrived
  "$python" -c "import json, sys; print(int(json.load(open(sys.argv[1]))['end']['sum_received']['bits_per_second'] / 8))" "$work/flow$1.out"
}

test_sessions_share_one_link() {
  network || return
  provider || return
  local before i
  before=$(links); is "${before#* }" mystp0 || return
  session 1 && session 2 && session 3 || return
  is "$(links)" "$before" "no other link" || return
  is "$(in_ns p ip -o -4 addr show dev mystp0 | awk '{print $4}' | sort | tr '\n' ' ')" \
    "10.182.1.1/24 10.182.2.1/24 10.182.3.1/24 " || return
  for i in 1 2 3; do
    is "$(net c$i ask tcp 203.0.113.7 80)" 198.51.100.2 "session $i" || return
    is "$(net c$i resolve 10.182.$i.1 any.test)" 203.0.113.7 "name server of $i" || return
    is "$(net c$i resolve 10.182.$i.1 any.test tcp)" 203.0.113.7 "name server of $i" || return
  done
  # All at once, both ways.
  flow 1 2 --bidir && flow 2 2 && flow 3 2 -R || return
  wait "$flow1" && wait "$flow2" && wait "$flow3" || { fail "traffic: $(tail -n 3 "$work"/flow?.out)"; return 1; }
  for i in 1 2 3; do
    wait_for 5 counted $i || { fail "session $i: $answer here, there $(in_ns c$i wg show wg$i transfer)"; return 1; }
  done
  end_provider
}
test_sessions_do_not_reach_each_other() {
  network && all_sessions || return
  local address
  serve_net c2 behind echo 10.182.2.2 80
  serve_net p own echo 0.0.0.0 8080
  is "$(net c1 ask udp 203.0.113.7 80)" 198.51.100.2 || return
  # What the provider's own list protects is empty here.
  must_not net c1 ask tcp 10.182.2.2 80 || return
  must_not net c1 ask udp 10.182.2.2 80 || return
  must_not net c1 resolve 10.182.2.1 any.test || return
  for address in 10.182.1.1 10.182.2.1 198.51.100.2; do must_not net c1 ask tcp $address 8080 || return; done
  # Nor speak with another's address, although WireGuard's allowed IPs would let it.
  in_ns c1 ip addr add 10.182.2.2/32 dev wg1; in_ns c1 ip addr add 10.9.9.9/32 dev wg1
  must_not net c1 ask udp 203.0.113.7 80 10.182.2.2 || return
  must_not net c1 ask udp 203.0.113.7 80 10.9.9.9 || return
  is "$(net c1 ask udp 203.0.113.7 80 10.182.1.2)" 198.51.100.2 || return
  end_provider
}
test_a_session_ends_while_others_run() {
  network && all_sessions || return
  local before rules_of_1 i
  before=$(links)
  flow 2 3 && flow 3 3 -R || return
  is "$(net c1 ask tcp 203.0.113.7 80)" 198.51.100.2 || return
  tell close 1 || return
  # What was counted last comes with the end.
  is "$(in_ns c1 wg show wg1 transfer | awk '{print $3 "\t" $2}')" "$answer" || return
  is "$(rules | grep -c -F 10.182.1.)" 0 "rules of the ended session" || return
  is "$(in_ns p ip -o -4 addr show dev mystp0 | grep -c -F 10.182.1.)" 0 || return
  is "$(in_ns p ss -lun | grep -c :51821)" 0 "its socket" || return
  wait "$flow2" && wait "$flow3" || { fail "traffic: $(tail -n 3 "$work"/flow?.out)"; return 1; }
  for i in 2 3; do
    [ "$(rate_of $i)" -gt 1000000 ] || { fail "session $i: $(rate_of $i) bytes a second"; return 1; }
    wait_for 5 counted $i || { fail "counters of $i"; return 1; }
  done
  # The last one may go, the link stays: what an owner's firewall says of it, and its number, too.
  in_ns p iptables -A FORWARD -i mystp0 -j LOG
  tell close 2 && tell close 3 || return
  is "$(links)" "$before" || return
  for i in 1 2 3; do end_process "$(eval "echo \$consumer$i")"; done
  session 3 && is "$(net c3 ask tcp 203.0.113.7 80)" 198.51.100.2 || return
  is "$(links)" "$before" || return
  in_ns p iptables -D FORWARD -i mystp0 -j LOG
  end_provider
}
needs_ifb() { ip link add mystprobe type ifb 2>/dev/null && ip link del mystprobe || { reason="needs ifb"; return 77; }; }
about() {  # <i> <bytes a second> <which>: what session i got is that, within 10 %
  [ $((10 * $(rate_of $1))) -gt $((9 * $2)) ] && [ $((10 * $(rate_of $1))) -lt $((11 * $2)) ] || fail "session $1 $3: $(rate_of $1) bytes a second"
}
classes() { in_ns p tc class show dev "$1" | grep -c '^class htb'; }
queue() { links | cut -d' ' -f2 | grep '^rate-'; }
test_a_session_limit_is_its_own() {
  needs_ifb || return
  network || return
  local -x MYST_LIMIT=1000000
  all_sessions || return
  local way
  for way in "" -R; do
    # The second one with many flows: they share what is its own.
    flow 1 4 $way && flow 2 4 -P 4 $way || return
    wait "$flow1" && wait "$flow2" || { fail "traffic"; return 1; }
    echo "# limit of 1 MB/s ${way:-up}: $(rate_of 1) and $(rate_of 2) bytes a second"
    about 1 1000000 "${way:-up}" && about 2 1000000 "${way:-up}" || return
  done
  is "$(rules | grep -c hashlimit)" 0 "rules beside the classes" || return
  # Two of all sessions, two of each.
  is "$(queue)" rate-MYST && is "$(classes rate-MYST)" 8 || return
  tell close 2 || return
  is "$(classes rate-MYST)" 6 || return
  flow 1 4 -R || return
  wait "$flow1" && about 1 1000000 "alone" || return
  end_provider
}
test_a_session_limit_holds_below_a_shared_rate() {
  needs_ifb || return
  network || return
  local -x MYST_LIMIT=1000000 MYST_TOTAL_RATE=3000000
  all_sessions || return
  local i way
  for way in "" -R; do
    flow 1 4 $way && flow 2 4 -P 4 $way || return
    wait "$flow1" && wait "$flow2" || { fail "traffic"; return 1; }
    echo "# limit of 1 MB/s, 3 MB/s together, ${way:-up}: $(rate_of 1) and $(rate_of 2) bytes a second"
    about 1 1000000 "${way:-up}" && about 2 1000000 "${way:-up}" || return
  done
  end_provider || return
  # Less than the limits together: equal parts of that.
  network || return
  MYST_TOTAL_RATE=1500000
  all_sessions || return
  for way in "" -R; do
    flow 1 5 -O 1 $way && flow 2 5 -O 1 -P 4 $way && flow 3 5 -O 1 $way || return
    wait "$flow1" && wait "$flow2" && wait "$flow3" || { fail "traffic"; return 1; }
    echo "# 1.5 MB/s together ${way:-up}: $(rate_of 1), $(rate_of 2) and $(rate_of 3) bytes a second"
    for i in 1 2 3; do
      [ "$(rate_of $i)" -gt 350000 ] && [ "$(rate_of $i)" -lt 650000 ] || { fail "session $i ${way:-up}: $(rate_of $i)"; return 1; }
    done
  done
  end_provider
}
# Where there can be no queue of all sessions (here its name is taken): the device's own queue, and a
# rule for the way from the consumer, which counts a super-packet as a few of its parts.
test_limits_hold_roughly_without_a_queue_of_all() {
  network || return
  ip -n ${prefix}p link add rate-MYST type bridge || { reason="needs bridge"; return 77; }
  local -x MYST_LIMIT=1000000
  provider && session 1 || return
  is "$(classes mystp0)" 1 && is "$(rules | grep -c hashlimit)" 1 || return
  grep -q 'cannot queue what sessions send' "$work/node.err" || { fail "not a word in the log: $(cat "$work/node.err")"; return 1; }
  flow 1 4 || return
  wait "$flow1" && [ "$(rate_of 1)" -gt 500000 ] && [ "$(rate_of 1)" -lt 2200000 ] || { fail "up: $(rate_of 1)"; return 1; }
  echo "# limit of 1 MB/s by a rule, up: $(rate_of 1) bytes a second"
  flow 1 4 -R || return
  wait "$flow1" && about 1 1000000 -R || return
  echo quit >&8; wait_line 10 node ended || { fail "no end"; return 1; }
  is "$(rules)" "" "rules are left" && is "$(links | cut -d' ' -f2)" rate-MYST "the device of somebody else"
}
test_sessions_on_one_link_share_a_rate() {
  needs_ifb || return
  network || return
  local -x MYST_TOTAL_RATE=3000000
  all_sessions || return
  local i way
  for way in "" -R; do
    flow 1 4 -O 1 $way && flow 2 4 -O 1 -P 4 $way && flow 3 4 -O 1 $way || return
    wait "$flow1" && wait "$flow2" && wait "$flow3" || { fail "traffic"; return 1; }
    echo "# 3 MB/s together ${way:-up}: $(rate_of 1), $(rate_of 2) and $(rate_of 3) bytes a second"
    for i in 1 2 3; do
      [ "$(rate_of $i)" -gt 700000 ] && [ "$(rate_of $i)" -lt 1300000 ] || { fail "session $i ${way:-up}: $(rate_of $i)"; return 1; }
    done
  done
  tell close 1 && tell close 3 || return
  flow 2 3 -O 1 -R || return
  wait "$flow2" && [ "$(rate_of 2)" -gt 2000000 ] || { fail "alone: $(rate_of 2) bytes a second"; return 1; }
  end_provider
}
test_killed_provider_leaves_nothing_for_long() {
  network && all_sessions || return
  end_process "$node" KILL
  is "$(links)" "" "the link of a dead process" || return
  session_rules=$(rules | wc -l); [ "$session_rules" -gt 10 ] || { fail "no rules to undo"; return 1; }
  exec 8>&-
  provider || return
  is "$(rules | grep -c -F 10.182.)" 0 "rules of the last run" || return
  is "$(links | cut -d' ' -f2)" mystp0 || return
  end_provider
}
test_killed_provider_leaves_no_queue_of_limits() {
  needs_ifb || return
  network || return
  local -x MYST_LIMIT=1000000
  all_sessions || return
  is "$(queue)" rate-MYST || return
  end_process "$node" KILL
  is "$(queue)" rate-MYST "what outlives its maker" || return
  exec 8>&-
  unset MYST_LIMIT
  provider || return
  is "$(links | cut -d' ' -f2)" mystp0 || return
  end_provider
}
test_deleted_link_comes_back_with_the_next_session() {
  network && provider && session 1 || return
  is "$(net c1 ask tcp 203.0.113.7 80)" 198.51.100.2 || return
  ip -n ${prefix}p link del mystp0
  tell close 1 && session 2 || return
  is "$(net c2 ask tcp 203.0.113.7 80)" 198.51.100.2 && is "$(links | cut -d' ' -f2)" mystp0 || return
  end_provider
}
test_a_taken_name_is_left_alone() {
  network || return
  ip -n ${prefix}p tuntap add dev mystp0 mode tun
  provider && session 1 || return
  is "$(net c1 ask tcp 203.0.113.7 80)" 198.51.100.2 && is "$(links | cut -d' ' -f2 | sort | tr '\n' ' ')" "mystp0 mystp1 " || return
  echo quit >&8; wait_line 10 node ended || { fail "no end"; return 1; }
  is "$(links | cut -d' ' -f2)" mystp0
}
run_tests "$@"
