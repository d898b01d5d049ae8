#!/bin/bash
# Every change of the machine is undone: at exit, after a failure, after kill -9 at every step.
# The machine is a namespace of its own, with its own /etc/resolv.conf.
prefix=mystsys-
. "$(dirname "$0")/lib.sh"
tool=$bin/netns_system_changes_tool

# machine [file|symlink|mounted|absent]: namespace "m" with an uplink and a device "myst0" to set up.
machine() {
  ns_del m r
  ns_add m r
  # Link-local addresses come and go on their own; they are not what is compared here.
  in_ns m sysctl -qw net.ipv6.conf.default.addr_gen_mode=1 net.ipv6.conf.default.accept_dad=0
  in_ns r sysctl -qw net.ipv6.conf.default.addr_gen_mode=1
  wire m uplink 198.51.100.2/24 r lan 198.51.100.1/24
  route m default via 198.51.100.1
  ip -n ${prefix}m tuntap add dev myst0 mode tun
  rm -rf "$work/state" "$work/etc"
  mkdir -p "$work/state" "$work/etc"
  export MYST_RESOLV_CONF=$work/etc/resolv.conf
  case ${1:-file} in
    file) printf 'nameserver 192.0.2.53\nsearch lan\n' >"$work/etc/resolv.conf"; chmod 640 "$work/etc/resolv.conf" ;;
    symlink) printf 'nameserver 192.0.2.53\n' >"$work/etc/real"; ln -s real "$work/etc/resolv.conf" ;;
    mounted)
      printf 'nameserver 192.0.2.53\n' >"$work/etc/real"; : >"$work/etc/resolv.conf"
      mount --bind "$work/etc/real" "$work/etc/resolv.conf" ;;
    absent) ;;
  esac
}
unmount() { umount "$work/etc/resolv.conf" 2>/dev/null; return 0; }

# Empty built-in chains, counters and comments are not rules.
rules() {
  in_ns m "$1" 2>/dev/null | sed -e 's/\[[0-9]*:[0-9]*\]//' -e '/^#/d' |
    awk '/^\*/ {table = $0; next} /^:/ && $2 != "-" {if ($2 != "ACCEPT") print table, $0; next}
         /^COMMIT/ {next} {print table, $0}'
}
snapshot() {
  local n
  # A queue once replaced comes back as the kernel's default by name: only ours counts.
  in_ns m ip -d addr | sed 's/ qdisc [a-z_]*//'; in_ns m ip -4 route show table all; in_ns m ip -6 route show table all
  in_ns m ip rule; in_ns m ip -6 rule; in_ns m tc qdisc | grep -E 'tbf|htb|clsact'
  for n in iptables-nft-save ip6tables-nft-save; do echo "$n"; rules $n; done
  if in_ns m test -s /proc/net/ip_tables_names; then echo legacy; rules iptables-legacy-save; fi
  if in_ns m test -s /proc/net/ip6_tables_names; then echo legacy6; rules ip6tables-legacy-save; fi
  in_ns m sysctl net.ipv4.ip_forward net.ipv6.conf.myst0.disable_ipv6 2>&1
  ls -l --time-style=+ "$work/etc" | sed 's/ *[0-9]* *resolv/ resolv/'; cat "$work/etc/resolv.conf" 2>&1
} 2>&1
same() {
  snapshot >"$work/after"
  diff "$work/before" "$work/after" >"$work/diff" || fail "$1: $(head -n 3 "$work/diff" | tr '\n' ' ')"
}
in_m() { in_ns m "$tool" "$work/state" "$@"; }

cycle() {  # <plan>: apply, see that something changed, undo, compare
  snapshot >"$work/before"
  mkfifo "$work/in"; exec 7<>"$work/in"; rm "$work/in"
  spawn run in_m run "$1" <&7
  if ! wait_line 10 run applied; then exec 7>&-; fail "$(cat "$work/run.out" "$work/run.err")"; return 1; fi
  snapshot >"$work/during"
  echo >&7
  exec 7>&-
  wait "$spawned" || { fail "undo: $(cat "$work/run.out")"; return 1; }
  cmp -s "$work/before" "$work/during" && { fail "nothing was changed"; return 1; }
  same undo && [ ! -s "$work/state/system.journal" ] || fail "journal is not empty"
}

test_consumer_plan_is_undone() { machine && cycle consumer; }
test_provider_plan_is_undone() { machine && cycle provider && cat "$work/run.out" >"$work/provider"; }
test_provider_link_is_undone() { machine && cycle provider-link; }
test_kill_switch_is_undone() { machine && cycle kill-switch; }
# sharing: whether this kernel can let sessions share a rate.
sharing() {
  in_ns m ip link add probe type ifb 2>/dev/null && in_ns m tc qdisc add dev probe root htb 2>/dev/null &&
    in_ns m tc qdisc add dev probe clsact 2>/dev/null && in_ns m ip link del probe && return
  reason="needs ifb, htb and clsact"; return 77
}
test_shared_rate_is_undone() { machine; sharing || return; cycle shared-rate; }
test_everything_is_undone() { machine && cycle all; }
test_resolv_conf_symlink_comes_back() { machine symlink && cycle consumer; }
test_resolv_conf_absent_stays_absent() { machine absent && cycle consumer; }
test_resolv_conf_bind_mount_is_written_in_place() {
  machine mounted && cycle consumer; local code=$?
  unmount; return $code
}

# legacy_rules: the machine's own rules are ip_tables', so ours must be there, too.
legacy_rules() {
  has_program iptables-legacy && in_ns m iptables-legacy -A INPUT -s 192.0.2.99 -j DROP 2>/dev/null
}
test_legacy_rules_are_joined() {
  machine; legacy_rules || { reason="no iptables-legacy"; return 77; }
  [ "$(in_m front-end)" = iptables-legacy ] || { fail "front end: $(in_m front-end)"; return 1; }
  cycle provider
}
test_nft_rules_are_joined() {
  machine; in_ns m iptables-nft -A INPUT -s 192.0.2.99 -j DROP || { reason="no iptables-nft"; return 77; }
  [ "$(in_m front-end)" = iptables-nft ] || { fail "front end: $(in_m front-end)"; return 1; }
  cycle provider
}
test_both_front_ends_are_told_as_mixed() {
  machine; legacy_rules || { reason="no iptables-legacy"; return 77; }
  in_ns m iptables-nft -A INPUT -s 192.0.2.99 -j DROP
  in_m front-end | grep -q mixed || fail "front end: $(in_m front-end)"
}
test_foreign_rules_and_routes_survive() {
  machine
  in_ns m iptables -t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080
  in_ns m iptables -P FORWARD DROP
  in_ns m sysctl -qw net.ipv4.ip_forward=1
  route m 203.0.113.7 via 198.51.100.1 dev uplink  # the very route the plan wants
  cycle all
}
test_failed_plan_leaves_nothing() {
  machine; snapshot >"$work/before"
  in_m run bad >"$work/out" </dev/null && { fail "a bad rule was taken"; return 1; }
  grep -q NO-SUCH-TARGET "$work/out" || { fail "no reason given: $(cat "$work/out")"; return 1; }
  same "failed plan"
}
test_no_iptables_is_told() {
  machine; snapshot >"$work/before"
  local empty="$work/empty"; mkdir -p "$empty"
  # The folders are searched whatever PATH says, so they are hidden in a mount namespace.
  in_ns m unshare -m sh -c "for p in /usr/sbin/iptables* /usr/sbin/xtables*; do mount --bind /dev/null \$p; done 2>/dev/null
    exec '$tool' '$work/state' run provider" >"$work/out" </dev/null && { fail "it worked"; return 1; }
  grep -q "iptables is not installed" "$work/out" || { fail "$(cat "$work/out")"; return 1; }
  same "no iptables"
}

# The heart: for each step of apply and undo, die there; the next start puts everything back. Then the
# next start itself dies at each of its steps.
kill_at_every_step() {  # [once|twice [plan]]
  local steps n m plan=${2:-all}
  steps=$(in_m cycle "$plan" </dev/null | awk '/^steps/ {print $2}')
  [ "${steps:-0}" -gt 10 ] || { fail "only ${steps:-no} steps: $(in_m cycle "$plan" </dev/null)"; return 1; }
  snapshot >"$work/before"
  for n in $(seq 1 "$steps"); do
    MYST_KILL_AT=$n in_m cycle "$plan" >"$work/out" 2>&1 </dev/null
    [ $? = 137 ] || { fail "step $n: was not killed: $(cat "$work/out")"; return 1; }
    if [ "${1:-}" = twice ]; then
      # A start that dies half way, then one that does not, then one with nothing to do.
      m=$((n % 7 + 1))
      MYST_KILL_AT=$m in_m recover >/dev/null 2>&1
      in_m recover >"$work/out" || { fail "step $n, $m: $(cat "$work/out")"; return 1; }
    fi
    in_m recover >"$work/out" || { fail "step $n: recover: $(cat "$work/out")"; return 1; }
    same "killed at step $n of $steps" || return 1
    [ ! -s "$work/state/system.journal" ] || { fail "step $n: journal is not empty"; return 1; }
  done
}
test_kill_at_every_step() { machine && kill_at_every_step; }
test_kill_at_every_step_and_while_recovering() { machine symlink && kill_at_every_step twice; }
test_kill_at_every_step_of_a_shared_rate() { machine; sharing || return; kill_at_every_step twice shared-rate; }
test_kill_at_every_step_bind_mounted() { machine mounted; kill_at_every_step; local code=$?; unmount; return $code; }
test_kill_at_every_step_legacy() {
  machine; legacy_rules || { reason="no iptables-legacy"; return 77; }
  kill_at_every_step
}

hold() {
  spawn hold in_m hold "$1"
  wait_line 10 hold applied || { fail "$(cat "$work/hold.out" "$work/hold.err")"; return 1; }
  # in_ns is a shell function: the process to end is the tool below it.
  held=$(pgrep -P "$spawned" | head -n 1); held=${held:-$spawned}
}
test_recovery_when_others_removed_parts() {
  machine; snapshot >"$work/before"
  hold all || return 1
  end_process "$held" KILL
  in_ns m iptables -t nat -F MYST_SNAT; in_ns m iptables -D FORWARD -j MYST_FORWARD
  in_ns m iptables -F MYST_FORWARD; in_ns m iptables -F MYST_BLOCK; in_ns m iptables -X MYST_BLOCK
  in_ns m ip route del 128.0.0.0/1; in_ns m ip rule del pref 1000; in_ns m ip addr flush dev myst0
  printf 'nameserver 192.0.2.53\nsearch lan\n' >"$work/etc/resolv.conf"; chmod 640 "$work/etc/resolv.conf"
  in_m recover >"$work/out" || { fail "$(cat "$work/out")"; return 1; }
  same "parts were gone"
}
test_recovery_when_device_is_gone() {
  machine; hold all || return 1
  end_process "$held" KILL
  ip -n ${prefix}m link del myst0
  in_m recover >"$work/out" || { fail "$(cat "$work/out")"; return 1; }
  [ -z "$(rules iptables-save)" ] || { fail "rules: $(rules iptables-save)"; return 1; }
  grep -q 192.0.2.53 "$work/etc/resolv.conf" || fail "resolv.conf"
}
test_lost_journal_chains_are_removed() {
  machine; snapshot >"$work/before"; hold provider || return 1
  end_process "$held" KILL
  rm "$work/state/system.journal"
  in_m front-end >/dev/null
  [ -z "$(rules iptables-save)" ] || fail "rules: $(rules iptables-save)"
}
test_damaged_journal_is_no_obstacle() {
  machine; hold consumer || return 1
  end_process "$held" KILL
  head -c 300 /dev/urandom >>"$work/state/system.journal"
  in_m recover >"$work/out" || { fail "$(cat "$work/out")"; return 1; }
  grep -q 192.0.2.53 "$work/etc/resolv.conf" || fail "resolv.conf was not put back"
}
test_after_a_reboot_only_the_file_is_undone() {
  machine; hold all || return 1
  end_process "$held" KILL
  # The next start finds another kernel: here another namespace, whose ip_forward is somebody else's.
  ns_del m; ns_add m; in_ns m sysctl -qw net.ipv4.ip_forward=1
  in_m recover >"$work/out" || { fail "$(cat "$work/out")"; return 1; }
  [ "$(in_ns m sysctl -n net.ipv4.ip_forward)" = 1 ] || { fail "ip_forward of the new boot was reset"; return 1; }
  [ "$(cat "$work/etc/resolv.conf")" = "$(printf 'nameserver 192.0.2.53\nsearch lan')" ] || fail "resolv.conf"
}
test_second_process_is_refused() {
  machine; hold consumer || return 1
  in_m recover >"$work/out" && { fail "two processes share a journal"; return 1; }
  grep -q "in use" "$work/out" || fail "$(cat "$work/out")"
}
test_two_nodes_have_chains_of_their_own() {
  machine; snapshot >"$work/before"
  hold provider || return 1
  mkdir -p "$work/state2"; mkfifo "$work/in"; exec 7<>"$work/in"; rm "$work/in"
  MYST_LOCK_FOLDER=$work/state spawn second in_ns m "$tool" "$work/state2" run kill-switch <&7
  wait_line 10 second applied || { exec 7>&-; fail "$(cat "$work/second.out")"; return 1; }
  in_ns m iptables-save | grep -q '^:MYST ' || fail "first node has no chains"
  in_ns m iptables-save | grep -q '^:MYST1_CONSUMER_KILL_SWITCH ' || fail "second node has no chains"
  echo >&7; exec 7>&-; wait "$spawned"
  in_ns m iptables-save | grep -q '^:MYST ' || fail "the second node removed the first one's chains"
  end_process "$held" KILL; in_m recover >/dev/null; same "two nodes" && [ -z "$reason" ]
}
test_resolver_file_of_somebody_else_is_left() {
  machine; hold consumer || return 1
  end_process "$held" KILL
  echo 'nameserver 192.0.2.77' >"$work/etc/resolv.conf"
  in_m recover >/dev/null
  [ "$(cat "$work/etc/resolv.conf")" = 'nameserver 192.0.2.77' ] || fail "$(cat "$work/etc/resolv.conf")"
}
test_way_to_addresses() {
  machine
  [ "$(in_m way 8.8.8.8)" = "uplink 198.51.100.1 198.51.100.2" ] || { fail "$(in_m way 8.8.8.8)"; return 1; }
  [ "$(in_m way 198.51.100.9)" = "uplink on-link 198.51.100.2" ] || fail "$(in_m way 198.51.100.9)"
}
# The daemons' own programs, played by a script that writes down how it was called.
daemon_program() {
  mkdir -p "$work/bin"
  printf '#!/bin/sh\necho "$(basename "$0") $*" >>"%s"\n%s\n' "$work/called" "$2" >"$work/bin/$1"
  chmod +x "$work/bin/$1"; : >"$work/called"
}
test_systemd_resolved_is_told() {
  machine; daemon_program resolvectl "cat >/dev/null"
  mkdir -p "$work/etc/systemd/resolve"; mv "$work/etc/resolv.conf" "$work/etc/systemd/resolve/stub"
  ln -s systemd/resolve/stub "$work/etc/resolv.conf"
  PATH=$work/bin:$PATH cycle consumer || return
  grep -qx 'resolvectl dns myst0 10.182.3.1' "$work/called" && grep -qx 'resolvectl domain myst0 ~.' "$work/called" &&
    [ "$(tail -n 1 "$work/called")" = 'resolvectl revert myst0' ] || fail "$(cat "$work/called")"
}
test_openresolv_is_told() {
  machine; daemon_program resolvconf "case \$* in *-a*) cp /dev/stdin '$work/etc/resolv.conf' ;;
    *-d*) printf '# Generated by resolvconf\\nnameserver 192.0.2.53\\n' >'$work/etc/resolv.conf' ;; esac"
  printf '# Generated by resolvconf\nnameserver 192.0.2.53\n' >"$work/etc/resolv.conf"
  PATH=$work/bin:$PATH cycle consumer || return
  [ "$(cat "$work/called")" = "$(printf 'resolvconf -m 0 -x -a myst0\nresolvconf -d myst0')" ] || fail "$(cat "$work/called")"
}
test_resolvconf_that_ignores_us_is_an_error() {
  machine; daemon_program resolvconf true
  printf '# Generated by resolvconf\nnameserver 192.0.2.53\n' >"$work/etc/resolv.conf"
  snapshot >"$work/before"
  PATH=$work/bin:$PATH in_m run consumer >"$work/out" </dev/null && { fail "nobody noticed"; return 1; }
  grep -q 'did not take' "$work/out" || { fail "$(cat "$work/out")"; return 1; }
  same "resolvconf that does nothing"
}
test_gateway_change_is_an_event() {
  machine; spawn monitor in_m monitor
  wait_line 5 monitor watching || { fail "no monitor"; return 1; }
  in_ns m ip route replace default via 198.51.100.77
  wait_line 5 monitor changed || fail "no event"
}
run_tests "$@"
