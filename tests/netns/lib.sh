# Shared by tests/netns/*.sh: namespaces, wires, routers with NAT, waiting, results, clean-up.
# A test file sources this, defines functions named test_*, and ends with `run_tests "$@"`.
# Everything it makes starts with $prefix (set before sourcing; "mystsys-" and the like) and is gone
# at its end, however it ends.
set -u
prefix=${prefix:-mystsys-}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=${MYST_BIN:-$here/../../build/release/bin}
work=$(mktemp -d "/tmp/${prefix}XXXXXX")
passed=0 failed=0 skipped=0
started=()  # process ids to end

ok() { passed=$((passed + 1)); echo "ok $1"; }
not_ok() { failed=$((failed + 1)); echo "not ok $*"; }
skip() { skipped=$((skipped + 1)); echo "skip $*"; }
# Inside a test: the reason it fails; the test goes on to its own return.
reason=""
fail() { reason=${reason:-$*}; return 1; }

# Names longer than 15 letters are not links; namespaces may be longer.
ns_add() { local n; for n in "$@"; do ip netns add "$prefix$n" && ip -n "$prefix$n" link set lo up; done; }
ns_del() { local n; for n in "$@"; do ip netns del "$prefix$n" 2>/dev/null; done; return 0; }
in_ns() { local n=$1; shift; ip netns exec "$prefix$n" "$@"; }
# wire <ns a> <link a> <address a> <ns b> <link b> <address b>: a veth pair, both ends up; "-" for no
# address.
wire() {
  ip -n "$prefix$1" link add "$2" type veth peer name "$5" netns "$prefix$4" || return 1
  ip -n "$prefix$1" link set "$2" up && ip -n "$prefix$4" link set "$5" up || return 1
  [ "$3" = - ] || ip -n "$prefix$1" addr add "$3" dev "$2" || return 1
  [ "$6" = - ] || ip -n "$prefix$4" addr add "$6" dev "$5"
}
route() { local n=$1; shift; ip -n "$prefix$n" route add "$@"; }
# nat_router <ns> <outer link> [cone|symmetric]: forwards, and hides what leaves. cone: keeps the
# port where it can (as most home routers do); symmetric: another random port for each flow.
nat_router() {
  local options=()
  [ "${3:-cone}" = symmetric ] && options=(--random)
  in_ns "$1" sysctl -qw net.ipv4.ip_forward=1 &&
    in_ns "$1" iptables -t nat -A POSTROUTING -o "$2" -j MASQUERADE "${options[@]+"${options[@]}"}"
}
# spawn <name> <command...>: in the background, output in $work/<name>.out; its id in $spawned.
spawn() {
  local name=$1; shift
  # <&0: a shell would give background commands an empty input.
  "$@" <&0 >"$work/$name.out" 2>"$work/$name.err" &
  spawned=$!
  started+=("$spawned")
}
# wait_for <seconds> <command...>: until it succeeds; looks twenty times a second.
wait_for() {
  local end=$((SECONDS + $1)); shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.05
  done
}
wait_line() { wait_for "$1" grep -q "$3" "$work/$2.out"; }  # <seconds> <name> <pattern>
process_gone() { ! kill -0 "$1" 2>/dev/null; }
end_process() {  # <id> [signal]: returns when it is gone, whoever its parent is
  kill -"${2:-TERM}" "$1" 2>/dev/null
  wait "$1" 2>/dev/null
  wait_for 10 process_gone "$1"
}
has_program() { command -v "$1" >/dev/null 2>&1; }

cleanup() {
  local p n
  for p in "${started[@]+"${started[@]}"}"; do kill -KILL "$p" 2>/dev/null; done
  wait 2>/dev/null
  for n in $(ip netns list 2>/dev/null | awk '{print $1}'); do
    case $n in "$prefix"*) ip netns del "$n" ;; esac
  done
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# run_tests [name...]: all test_* functions of this file, or those named. A test function returns 0,
# or 77 to skip, or anything else to fail; `fail` and `reason` say why.
run_tests() {
  local t names=("$@") code
  if [ "$(id -u)" != 0 ]; then echo "skip $(basename "$0") needs root"; exit 0; fi
  [ ${#names[@]} -gt 0 ] || mapfile -t names < <(declare -F | awk '$3 ~ /^test_/ {print substr($3, 6)}')
  for t in "${names[@]}"; do
    declare -F "test_$t" >/dev/null || continue
    reason=""
    "test_$t"; code=$?
    case $code in
      0) ok "$t" ;;
      77) skip "$t" "$reason" ;;
      *) not_ok "$t" "${reason:-returned $code}" ;;
    esac
  done
  [ "$failed" = 0 ]
}
must_not() { if "$@" >/dev/null; then fail "should not work: $*"; return 1; fi; }
is() { [ "$1" = "$2" ] || fail "got '$1' instead of '$2'${3:+ ($3)}"; }
# net.py in a namespace: serve_net <ns> <name> <what...> in the background, net <ns> <what...> until it ends.
serve_net() { local n=$1 name=$2; shift 2; spawn "$name" in_ns "$n" "$python" "$here/net.py" "$@"; wait_line 10 "$name" ready; }
net() { local n=$1; shift; in_ns "$n" "$python" "$here/net.py" "$@" 2>/dev/null; }
# tell <command...>: a line to the tool behind descriptor 8 that writes to node.out; what follows its "ok" is in $answer.
enough_lines() { [ "$(wc -l <"$work/node.out")" -ge "$told" ]; }
tell() {
  told=$((told + 1))
  echo "$*" >&8
  wait_for 20 enough_lines || { fail "$*: no answer"; return 1; }
  answer=$(sed -n "${told}p" "$work/node.out")
  case $answer in ok*) answer=${answer#ok } ;; *) reason=${reason:-"$*: $answer $(tail -n 2 "$work/node.err")"}; return 1 ;; esac
}
