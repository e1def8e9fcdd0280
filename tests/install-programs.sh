#!/bin/sh
# Installs what is missing of tests/programs.txt: as root, on Debian or Ubuntu. Elsewhere it says what is missing.
set -eu
PATH=$PATH:/usr/sbin:/sbin

any_of() { for name in $(echo "$1" | tr , ' '); do if command -v "$name" >/dev/null; then return 0; fi; done; return 1; }

missing=$(
    while read -r marker names packages; do
        case $marker in '' | '#'*) ;; *) any_of "$names" || echo "$packages" ;; esac
    done <"$(dirname "$0")/programs.txt"
    # A browser without them draws boxes in their place.
    fc-list 2>/dev/null | grep -qi emoji || echo fontconfig fonts-noto-color-emoji
)
if [ -z "$missing" ]; then
    exit 0
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing" $missing
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends $missing >/dev/null
else
    echo "Some tests are skipped without these packages:" $missing
fi
