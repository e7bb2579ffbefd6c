#!/bin/sh
# A shell script that tests a client beside a lab:  mitmlab up client-that-checks-nothing-is-exposed -- sh example.sh
set -eu
: "${MITMLAB_CONTROL:?run it with \`mitmlab up SCENARIO -- sh example.sh\`}"
mitmlab=${MITMLAB_PROGRAM:-mitmlab}

control() { curl --silent --show-error --fail --noproxy '*' --header "Authorization: Bearer $MITMLAB_TOKEN" "$@"; }

# In a subshell, so that the control API is not asked through the lab's proxy.
( eval "$("$mitmlab" env --trust web)"; curl --silent --output /dev/null https://www.facebook.com/ ) && exit 1

verdict=$(control "$MITMLAB_CONTROL/v1/verdict?host=www.facebook.com")
case $verdict in
  *'"verdict":"refused"'*) echo "curl refused" ;;
  *) echo "not refused: $verdict" >&2; exit 1 ;;
esac
