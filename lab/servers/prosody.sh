#!/bin/sh
# Prosody as an XMPP server of the lab, for clients only, as the user who starts it: direct TLS (xmpps) or the upgrade (xmpp).
# Two throw-away accounts: alice (wonderland) and bob (hatstand). All of it lies in DIR and goes with it.
#   prosody.sh xmpp|xmpps NAME CHAIN KEY PORT DIR
set -eu
PATH=$PATH:/usr/sbin
if ! command -v prosody >/dev/null; then
  echo "prosody is not installed; on Debian: apt-get install prosody" >&2
  exit 127
fi
# The server does not want to be the superuser. In the sealed network, and in containers, everybody is: a user namespace gives it another number.
if [ "$(id -u)" = 0 ]; then
  exec unshare --user --map-user=1000 --map-group=1000 sh "$0" "$@"
fi
service=$1 name=$2 chain=$3 key=$4 port=$5 dir=$6
ports="c2s_ports = { $port }; c2s_direct_tls_ports = {}"
[ "$service" = xmpp ] || ports="c2s_ports = {}; c2s_direct_tls_ports = { $port }"
store=$dir/data/$(printf %s "$name" | sed 's/\./%2e/g; s/-/%2d/g')/accounts
mkdir -p "$store"
printf 'return { ["password"] = "wonderland" };\n' >"$store/alice.dat"
printf 'return { ["password"] = "hatstand" };\n' >"$store/bob.dat"
cat >"$dir/prosody.cfg.lua" <<CONF
daemonize = false
pidfile = "$dir/prosody.pid"
data_path = "$dir/data"
interfaces = { "127.0.0.1" }
s2s_ports = {}
$ports
http_ports = {}; https_ports = {}
modules_enabled = { "roster", "saslauth", "tls", "disco", "ping" }
modules_disabled = { "s2s", "offline" }
authentication = "internal_plain"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
ssl = { certificate = "$chain", key = "$key" }
c2s_direct_tls_ssl = { certificate = "$chain", key = "$key" }
log = { { levels = { min = "info" }, to = "console" } }
VirtualHost "$name"
CONF
exec prosody -F --config "$dir/prosody.cfg.lua"
