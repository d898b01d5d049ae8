#!/bin/busybox sh
# Runs in the guest of tests/kernel/run; what to run is in the kernel's command line (myst.part=...).
# Prints `ok NAME` and `not ok NAME why`.
part=$(sed -nE 's/.*myst\.part=([a-z]+).*/\1/p' /proc/cmdline)
# busybox' shell prefers its own.
for program in ip ping tc; do eval "$program() { /bin/$program \"\$@\"; }"; done
ok() { echo "ok kernel_guest.$1"; }
not_ok() { echo "not ok kernel_guest.$*"; }
# wait_for <seconds> <command...>
wait_for() { local left=$(($1 * 10)); shift; until "$@" >/dev/null 2>&1; do left=$((left - 1)); [ "$left" -gt 0 ] || return 1; usleep 100000; done; }

units() { test_drivers_wireguard --gtest_filter='Kernel*' --gtest_color=no; }

# A limited session's flows wait in an fq_codel inside its class: a ping beside a download at the
# limit is far faster than through one queue; the limit is exact both ways, and the end of the session
# takes all of it away.
queue_ms() { ip netns exec peer ping -q -i 0.1 -c 40 -W 5 10.182.3.1 | sed -nE 's#.*= [0-9.]+/([0-9]+)[0-9.]*/.*#\1#p'; }
received_kbits() { sed -nE 's#.* ([0-9]+)(\.[0-9]*)? Kbits/sec .*receiver.*#\1#p' | tail -n 1; }
shaping() {
  local holder fair one down up rate
  ip netns add peer
  ip link add myst0 type veth peer name there netns peer
  ip addr add 10.182.3.1/24 dev myst0; ip link set myst0 up
  ip -n peer addr add 10.182.3.2/24 dev there; ip -n peer link set there up; ip -n peer link set lo up
  mkfifo /tmp/hold; sleep 1000 >/tmp/hold & 
  netns_system_changes_tool /tmp run limit </tmp/hold >/tmp/tool 2>&1 & holder=$!
  wait_for 20 grep -q applied /tmp/tool || { not_ok fq_codel_inside_the_limit "$(cat /tmp/tool)"; return; }
  tc qdisc show dev rate-MYST
  tc qdisc show dev rate-MYST | grep -q '^qdisc htb .* root' && tc qdisc show dev rate-MYST | grep -q '^qdisc fq_codel .* parent' ||
    not_ok fq_codel_inside_the_limit "$(tc qdisc show dev rate-MYST)"
  ip netns exec peer iperf3 -s >/dev/null 2>&1 &
  wait_for 20 ip netns exec peer sh -c 'netstat -ltn | grep -q 5201'
  iperf3 -c 10.182.3.2 -t 8 -P 4 >/tmp/iperf 2>&1 & 
  sleep 2; fair=$(queue_ms); wait $!
  down=$(iperf3 -c 10.182.3.2 -t 4 -f k | received_kbits); up=$(iperf3 -c 10.182.3.2 -t 4 -f k -R | received_kbits)
  echo "# limit of 8,000 kbit/s: $down to the consumer, $up from it"
  for rate in "$down" "$up"; do
    [ "${rate:-0}" -gt 7200 ] && [ "$rate" -lt 8800 ] || { not_ok limit_is_exact "$down to the consumer, $up from it"; rate=""; break; }
  done
  [ -z "$rate" ] || ok limit_is_exact
  tc qdisc replace dev rate-MYST parent 1:103 bfifo limit 100000
  iperf3 -c 10.182.3.2 -t 8 -P 4 >/tmp/iperf2 2>&1 & 
  sleep 2; one=$(queue_ms); wait $!
  grep receiver /tmp/iperf | tail -n 1
  echo "# ping beside four downloads at the limit: $fair ms with fq_codel, $one ms with one queue"
  if [ -n "$fair" ] && [ -n "$one" ] && [ $((fair * 2)) -lt "$one" ]; then ok fq_codel_keeps_a_ping_short; else not_ok fq_codel_keeps_a_ping_short "$fair ms, $one ms with one queue"; fi
  tc -s qdisc show dev rate-MYST | head -n 3
  kill -TERM %1 2>/dev/null; kill $(pidof sleep) 2>/dev/null
  wait_for 20 grep -q '^steps' /tmp/tool || kill $holder
  if tc qdisc show | grep -qE 'htb|clsact|fq_codel .*parent'; then not_ok fq_codel_goes_with_the_limit "$(tc qdisc show)"; else ok fq_codel_goes_with_the_limit; fi
}

# A daemon's first start measures both backends, keeps the figures and says them; the second believes the
# file; a flag overrides both.
node() {  # <name> <option...>
  local name=$1 away=127.0.0.1:9; shift
  myst --data-dir=/tmp/data --config-dir=/tmp/data --tequilapi.port=4050 --ui.enable=false --network=localnet "--broker-address=nats://$away" "--discovery.address=http://$away" \
    "--location.address=http://$away" "--ip-detector=http://$away" --stun-servers=$away --port-check-servers=$away "$@" daemon >"/tmp/$name" 2>&1 &
  node=$!
  wait_for 60 grep -q 'myst runs' "/tmp/$name"
}
end_node() { kill -TERM "$node"; wait "$node"; }
backends() {
  local file=/tmp/data/wireguard-backends first kernel ours
  export HOME=/tmp
  mkdir -p /tmp/data
  node first || { not_ok backend_first_start "$(tail -n 5 /tmp/first)"; return; }
  wait_for 90 grep -q 'WireGuard backends co' /tmp/first
  first=$(cat $file)
  kernel=$(echo "$first" | cut -d ' ' -f 2) ours=$(echo "$first" | cut -d ' ' -f 3)
  echo "# figures: $first"
  grep -i 'wireguard' /tmp/first
  if [ "$(echo "$first" | cut -d ' ' -f 1)" = "$(uname -r)" ] && [ "${kernel:-0}" -gt 0 ] && [ "${ours:-0}" -gt 0 ]; then ok backend_first_start_measures
  else not_ok backend_first_start_measures "$first $(tail -n 3 /tmp/first)"; fi
  if grep 'WireGuard backends compared' /tmp/first | grep "$kernel" | grep -q "$ours"; then ok backend_log_names_both_figures; else not_ok backend_log_names_both_figures; fi
  end_node
  touch -t 202001010000 $file
  node second
  sleep 5
  if grep 'myst runs' /tmp/second | grep "$kernel" | grep -q "$ours" && ! grep -q 'backends compared' /tmp/second && [ "$(stat -c %y $file | cut -c 1-4)" = 2020 ]; then
    ok backend_second_start_believes_the_file
  else not_ok backend_second_start_believes_the_file "$(grep -i wireguard /tmp/second | tr '\n' ' ')"; fi
  end_node
  # Whoever was faster, what the figures say is done.
  for faster in "9999 1 kernel" "1 9999 userspace"; do
    echo "$(uname -r) ${faster% *}" >$file
    node told
    if grep 'myst runs' /tmp/told | grep -q "${faster##* }:"; then ok "backend_${faster##* }_when_faster"; else not_ok "backend_${faster##* }_when_faster" "$(grep 'myst runs' /tmp/told)"; fi
    end_node
  done
  echo "$(uname -r) 9999 1" >$file
  node flag --wireguard.backend=userspace
  if grep 'myst runs' /tmp/flag | grep -q 'userspace: asked for'; then ok backend_flag_overrides; else not_ok backend_flag_overrides "$(grep 'myst runs' /tmp/flag)"; fi
  end_node
  rm $file
  node again --wireguard.backend=kernel
  sleep 3
  if grep 'myst runs' /tmp/again | grep -q 'kernel: asked for' && [ ! -e $file ]; then ok backend_flag_measures_nothing; else not_ok backend_flag_measures_nothing; fi
  end_node
  echo 'other-release 1 9999' >$file
  node moved
  wait_for 90 grep -q 'WireGuard backends co' /tmp/moved
  if [ "$(cut -d ' ' -f 1 $file)" = "$(uname -r)" ]; then ok backend_new_kernel_measures_again; else not_ok backend_new_kernel_measures_again "$(cat $file)"; fi
  end_node
}

# Both ends of a tunnel in a machine that sleeps longer than a key lives.
boot_s() { awk '{print int($1)}' /proc/uptime; }
suspend() {
  local how=$1 i o before slept begun t0
  for i in 1 2; do
    o=$((3 - i))
    ip netns add s$i; ip -n s$i link set lo up
    wg genkey >/tmp/key$i; wg pubkey </tmp/key$i >/tmp/pub$i
  done
  ip link add w1 netns s1 type veth peer name w2 netns s2
  for i in 1 2; do
    ip -n s$i addr add 192.0.2.$i/24 dev w$i; ip -n s$i link set w$i up
    ip netns exec s$i myst wireguard -f wgs$i >/tmp/engine$i 2>&1 &
  done
  for i in 1 2; do
    o=$((3 - i))
    wait_for 30 test -S /var/run/wireguard/wgs$i.sock || { not_ok "suspend_$how" "engine: $(cat /tmp/engine$i)"; return; }
    ip netns exec s$i wg set wgs$i private-key /tmp/key$i listen-port 5182$i peer "$(cat /tmp/pub$o)" allowed-ips 10.9.0.$o/32 endpoint 192.0.2.$o:5182$o
    ip -n s$i addr add 10.9.0.$i/24 dev wgs$i; ip -n s$i link set wgs$i mtu 1420 up
  done
  ip netns exec s1 ping -q -c 3 -W 5 10.9.0.2 >/dev/null || { not_ok "suspend_$how" "no ping before"; return; }
  begun=$(ip netns exec s1 wg show wgs1 latest-handshakes | cut -f 2)
  before=$(boot_s)
  echo "# sleeps at uptime $before s, states: $(cat /sys/power/state), mem_sleep: $(cat /sys/power/mem_sleep)"
  echo "$how" >/sys/power/state || { not_ok "suspend_$how" "refused"; dmesg | tail -n 5; return; }
  slept=$(($(boot_s) - before))
  echo "# awake after $slept s of boot time"
  dmesg | grep -iE 'suspend|PM:' | tail -n 4
  [ "$slept" -gt 180 ] || { not_ok "suspend_$how" "slept for $slept s only"; return; }
  # At once: the first packet waits for one handshake, not for a timer.
  t0=$(date +%s)
  if ip netns exec s1 ping -q -c 1 -W 2 10.9.0.2 >/dev/null; then ok "suspend_${how}_first_packet_passes"; else not_ok "suspend_${how}_first_packet_passes"; fi
  if [ "$(ip netns exec s1 wg show wgs1 latest-handshakes | cut -f 2)" -gt "$begun" ]; then ok "suspend_${how}_rekeys"; else not_ok "suspend_${how}_rekeys"; fi
  if ip netns exec s2 ping -q -c 20 -i 0.05 -W 2 10.9.0.1 | grep -q ' 0% packet loss'; then ok "suspend_${how}_traffic_flows"; else not_ok "suspend_${how}_traffic_flows"; fi
}

case "$part" in
  units) units; echo "guest-exit $?" ;;
  shaping) shaping ;;
  backends) backends ;;
  mem) suspend "$part" ;;
esac
echo "guest-end $part"
