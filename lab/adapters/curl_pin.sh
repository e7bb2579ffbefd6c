#!/bin/sh
# URL HOST CONTROL -> one word. curl with a pin, and what its exit codes say. Certificates are checked first, and pins after that:
# a root that is not installed shows as 60, like every other fault.
pin=$(openssl x509 -noout -pubkey <"$3" | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64)
curl -sS -o /dev/null --max-time 8 --pinnedpubkey "sha256//$pin" "$1" 2>/dev/null
case $? in
  0) echo clean ;;
  90) echo intercepted ;;
  60) echo broken-site ;;
  6 | 7 | 28 | 35 | 52 | 56) echo blocked ;;
  *) echo "curl ended with $?" >&2; exit 1 ;;
esac
