#!/bin/sh
# URL HOST CONTROL -> one word. nmap's ssl-cert, and the issuer that a control vantage sees.
common() { sed -n 's/.*commonName=\([^/]*\).*/\1/p'; }
want=$(openssl x509 -noout -issuer -nameopt sep_multiline,lname <"$3" | sed -n 's/^ *commonName=//p')
shown=$(timeout 25 nmap --unprivileged -sT -Pn -n -p 443 --script ssl-cert --script-timeout 10s "$2" 2>/dev/null | sed -n 's/.*Issuer: //p' | common)
if [ -z "$shown" ]; then echo blocked; elif [ "$shown" = "$want" ]; then echo clean; else echo intercepted; fi
