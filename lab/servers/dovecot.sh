#!/bin/sh
# Dovecot as a mail server of the lab: imap or pop3, with TLS first (imaps, pop3s) or with the upgrade, as the user who starts it.
# Two throw-away accounts: alice (wonderland) and bob (hatstand). All of it lies in DIR and goes with it.
#   dovecot.sh imap|imaps|pop3|pop3s CHAIN KEY PORT DIR
set -eu
PATH=$PATH:/usr/sbin
if ! command -v dovecot >/dev/null; then
  echo "dovecot is not installed; on Debian: apt-get install dovecot-imapd dovecot-pop3d" >&2
  exit 127
fi
# The server does not want to be the superuser. In the sealed network, and in containers, everybody is: a user namespace gives it another number.
if [ "$(id -u)" = 0 ]; then
  exec unshare --user --map-user=1000 --map-group=1000 sh "$0" "$@"
fi
service=$1 chain=$2 key=$3 port=$4 dir=$5
protocol=${service%s}
[ "$service" = "$protocol" ] && ssl=no || ssl=yes
user=$(id -un 2>/dev/null || id -u) group=$(id -gn 2>/dev/null || id -g)
mkdir -p "$dir/run" "$dir/state" "$dir/mail/alice/new" "$dir/mail/alice/cur" "$dir/mail/alice/tmp"
printf 'alice:{PLAIN}wonderland\nbob:{PLAIN}hatstand\n' >"$dir/accounts"
printf 'From: bob@mail.example.org\r\nTo: alice@mail.example.org\r\nSubject: tea\r\n\r\nMeet me at six.\r\n' >"$dir/mail/alice/new/1.lab"
listeners() { # the listener of one protocol: ours on our port, the other one's nowhere
  for name in imap imaps pop3 pop3s; do
    [ "${name%s}" = "$1" ] || continue
    at=0 tls=no
    [ "$name" = "$service" ] && at=$port tls=$ssl
    echo "  inet_listener $name {"
    echo "    port = $at"
    echo "    ssl = $tls"
    echo "  }"
  done
}
cat >"$dir/dovecot.conf" <<CONF
base_dir = $dir/run
state_dir = $dir/state
log_path = /dev/stderr
protocols = $protocol
listen = 127.0.0.1
default_internal_user = $user
default_internal_group = $group
default_login_user = $user
first_valid_uid = 0
ssl = yes
ssl_cert = <$chain
ssl_key = <$key
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = maildir:$dir/mail/%u
passdb {
  driver = passwd-file
  args = $dir/accounts
}
userdb {
  driver = static
  args = uid=$(id -u) gid=$(id -g) home=$dir/mail/%u
}
service $protocol-login {
  chroot =
$(listeners "$protocol")
}
service anvil {
  chroot =
}
service stats {
  chroot =
}
CONF
exec dovecot -F -c "$dir/dovecot.conf"
