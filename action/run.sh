#!/usr/bin/env bash
# The action's second step: start the server, wait until it listens, run the scenarios, stop the server.
# The exit code is that of vsock call.
set -euo pipefail
shopt -s globstar nullglob

vsock=$RUNNER_TEMP/vsock/bin/vsock
server=''
log=$RUNNER_TEMP/vsock-server.log
result=$RUNNER_TEMP/vsock-result.txt

fail() {
    echo "::error::$1"
    exit 2
}

stop_server() {
    [ -n "$server" ] || return 0
    # With its children: what was started is a shell.
    kill -TERM -- "-$server" 2>/dev/null || true
    for _ in $(seq 50); do
        kill -0 -- "-$server" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL -- "-$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
}

show_log() {
    [ -s "$log" ] || return 0
    # What the server printed must not be taken for commands to the runner.
    local word=vsock-$RANDOM$RANDOM$RANDOM
    echo '::group::What the server printed'
    echo "::stop-commands::$word"
    tail -n 200 "$log"
    echo
    echo "::$word::"
    echo '::endgroup::'
}

trap stop_server EXIT

arguments=()
while IFS= read -r pattern; do
    pattern=${pattern#"${pattern%%[![:space:]]*}"}
    pattern=${pattern%"${pattern##*[![:space:]]}"}
    [ -n "$pattern" ] || continue
    found=''
    while IFS= read -r file; do
        [ -n "$file" ] || continue
        arguments+=(--scenario "$file")
        found=1
    done < <(compgen -G "$pattern" | LC_ALL=C sort)
    [ -n "$found" ] || fail "scenarios: no file is, or matches, $pattern"
done <<<"$INPUT_SCENARIOS"
[ ${#arguments[@]} -gt 0 ] || fail 'scenarios: there is none; name a file, or a pattern such as calls/*.yaml'
[ -z "${INPUT_JUNIT:-}" ] || arguments+=(--junit "$INPUT_JUNIT")
read -r -a more <<<"${INPUT_OPTIONS:-}"

if [ -n "${INPUT_START:-}" ]; then
    [[ $INPUT_URL =~ ^(http|https|ws|wss)://(\[[^]]*\]|[^:/?#]+)(:([0-9]+))? ]] || fail "url: $INPUT_URL is no address"
    scheme=${BASH_REMATCH[1]} host=${BASH_REMATCH[2]} port=${BASH_REMATCH[4]}
    host=${host#[} host=${host%]}
    if [ -z "$port" ]; then
        case $scheme in https | wss) port=443 ;; *) port=80 ;; esac
    fi
    set -m
    bash -c "$INPUT_START" >"$log" 2>&1 </dev/null &
    server=$!
    set +m
    until (exec 3<>"/dev/tcp/$host/$port") 2>/dev/null; do
        if ! kill -0 "$server" 2>/dev/null; then
            show_log
            fail "start: the server ended before it listened on $host, port $port"
        fi
        if [ "$SECONDS" -ge "${INPUT_WAIT:-30}" ]; then
            show_log
            fail "start: nothing listens on $host, port $port after ${INPUT_WAIT:-30} s; give it more with wait:, or another url:"
        fi
        sleep 0.1
    done
fi

code=0
"$vsock" call "$INPUT_URL" "${arguments[@]}" ${more[@]+"${more[@]}"} 2>&1 | tee "$result" || code=${PIPESTATUS[0]}
if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
    {
        [ "$code" -eq 0 ] && echo '### vsock: all scenarios passed' || echo "### vsock: failed with exit code $code"
        printf '\n`````text\n'
        tail -c 100000 "$result"
        printf '`````\n'
    } >>"$GITHUB_STEP_SUMMARY"
fi
[ "$code" -eq 0 ] || show_log
exit "$code"
