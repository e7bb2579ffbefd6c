#!/bin/sh
# URL HOST CONTROL -> one word. A pin with nothing but openssl: the leaf's key against the key that a control vantage sees.
host=$2
pin() { openssl x509 -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -r | cut -c1-64; }
want=$(pin <"$3")
proxy=${https_proxy#http://} # openssl reads no variable
shown=$(timeout 8 openssl s_client -connect "$host:443" -servername "$host" ${proxy:+-proxy "$proxy"} </dev/null 2>/dev/null) || [ -n "$shown" ] || { echo blocked; exit; }
case $shown in *"BEGIN CERTIFICATE"*) ;; *) echo blocked; exit ;; esac
if [ "$(printf '%s' "$shown" | pin)" = "$want" ]; then echo clean; else echo intercepted; fi
