#!/bin/sh
# URL HOST CONTROL -> one word. sslscan's certificate, and the issuer that a control vantage sees.
want=$(openssl x509 -noout -issuer -nameopt sep_multiline,lname <"$3" | sed -n 's/^ *commonName=//p')
shown=$(timeout 25 sslscan --no-colour --no-ciphersuites --no-fallback --no-renegotiation --no-compression --no-heartbleed --no-groups \
  --timeout=8 "$2:443" 2>/dev/null | sed -n 's/^Issuer: *//p' | head -n 1)
if [ -z "$shown" ]; then echo blocked; elif [ "$shown" = "$want" ]; then echo clean; else echo intercepted; fi
