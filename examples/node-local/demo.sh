#!/usr/bin/env bash
# A node, a pod and the cluster's DNS in three network namespaces of this machine: what an upgrade, a kill
# and an end of node-cache mean for a pod that asks the address of the Service kube-dns.
#
#   sudo examples/node-local/demo.sh target/release/node-cache [k8s-dns-node-cache]
#
# With the original as second argument it also shows the way back to it, and forth again.
#
# Wants root, iproute2, iptables, nft, conntrack, dig and dnsmasq. Where the kernel has no dummy links, a
# bridge takes the place of one.
set -euo pipefail
binary=$(realpath "$1")
original=${2:+$(realpath "$2")}
dir=$(mktemp -d)
node=node-$$ pod=pod-$$ dns=dns-$$

clear_up() {
    local namespace
    for namespace in $node $pod $dns; do
        ip netns pids $namespace | xargs -r kill -9
        ip netns del $namespace
    done
    rm -rf "$dir"
}
trap clear_up EXIT

for namespace in $node $pod $dns; do
    ip netns add $namespace
    ip -n $namespace link set lo up
done
ip link add v0 netns $node type veth peer name eth0 netns $pod
ip link add v1 netns $node type veth peer name eth0 netns $dns
ip -n $node addr add 10.1.0.1/24 dev v0
ip -n $pod addr add 10.1.0.2/24 dev eth0
ip -n $node addr add 10.2.0.1/24 dev v1
ip -n $dns addr add 10.2.0.2/24 dev eth0
ip -n $node link set v0 up
ip -n $node link set v1 up
ip -n $pod link set eth0 up
ip -n $dns link set eth0 up
ip -n $pod route add default via 10.1.0.1
ip -n $dns route add default via 10.2.0.1
ip -n $node route add default via 10.2.0.2
ip netns exec $node sysctl -qw net.ipv4.ip_forward=1
ip -n $node link add nodelocaldns type dummy 2>/dev/null || ip -n $node link add nodelocaldns type bridge

# What kube-proxy does for the Services kube-dns and kube-dns-upstream.
for chain in PREROUTING OUTPUT; do
    for protocol in udp tcp; do
        for service in 10.96.0.10 10.96.0.99; do
            ip netns exec $node iptables -w -t nat -A $chain -d $service -p $protocol --dport 53 \
                -j DNAT --to-destination 10.2.0.2:53
        done
    done
done
ip netns exec $dns dnsmasq -k --no-resolv --no-hosts --listen-address=10.2.0.2 --bind-interfaces \
    --address=/cluster.local/10.96.0.1 --local-ttl=30 --pid-file= &

# The Corefile of the manifest as it is, with what an operator fills in.
sed -n '/^  Corefile: |$/,/^---$/{s/^    //p}' "$(dirname "$0")/base/nodelocaldns.yaml" |
    sed -e 's/__PILLAR__DNS__DOMAIN__/cluster.local/g' -e 's/__PILLAR__LOCAL__DNS__/169.254.20.10/g' \
        -e 's/__PILLAR__DNS__SERVER__/10.96.0.10/g' >"$dir/Corefile.base"
export KUBE_DNS_UPSTREAM_SERVICE_HOST=10.96.0.99

# Starts one more node-cache and waits until the interface is its own; its process is $last.
start() {
    ip netns exec $node "$binary" -localip 169.254.20.10,10.96.0.10 -conf "$dir/Corefile" \
        -basecorefile "$dir/Corefile.base" -upstreamsvc kube-dns-upstream "$@" &>"$dir/log" &
    last=$!
    until ip -n $node link show nodelocaldns | grep -q "dunlin $last[.]" &&
        rules | grep -qE '^(16 rules|a table)'; do
        :
    done
}

# Starts the original, and waits until it listens; its process is $last.
start_original() {
    ip netns exec $node "$original" -localip 169.254.20.10,10.96.0.10 -conf "$dir/Corefile.original" \
        -basecorefile "$dir/Corefile.base" -upstreamsvc kube-dns-upstream -pidfile "$dir/pid" &>"$dir/original" &
    last=$!
    until grep -q '^CoreDNS-' "$dir/original"; do
        :
    done
    # It looks for its process file once a second, and makes the rules then.
    sleep 2
}

end() {
    kill -s "$1" "$2"
    wait "$2" 2>/dev/null || true
}

rules() {
    local iptables table
    iptables=$(ip netns exec $node iptables -w -t raw -S | grep -c 'skip conntrack' || true)
    table=$(ip netns exec $node nft list tables | grep -c dunlin || true)
    case $iptables,$table in
    0,0) echo "no rules" ;;
    0,*) echo "a table of nftables" ;;
    *) echo "$iptables rules in the table raw" ;;
    esac
}

# What the pod hears, and whether its query was tracked, and thus sent to kube-dns.
ask() {
    local reply tracked
    ip netns exec $node conntrack -F &>/dev/null
    reply=$(ip netns exec $pod dig +short +tries=1 +time=2 @10.96.0.10 kubernetes.default.svc.cluster.local |
        grep -E '^10\.' || echo nothing)
    tracked=$(ip netns exec $node conntrack -L -p udp --dport 53 2>/dev/null | grep -c 10.1.0.2 || true)
    case $reply,$tracked in
    nothing,*) echo "the pod hears nothing" ;;
    *,0) echo "the pod hears $reply from the cache: nothing is tracked" ;;
    *) echo "the pod hears $reply from kube-dns: its query is tracked" ;;
    esac
}

until ip netns exec $dns dig +short +tries=1 +time=1 @10.2.0.2 kubernetes.default.svc.cluster.local &>/dev/null; do
    :
done
echo "# without a cache"
ask
echo "# node-cache starts"
start
first=$last
rules
ask
echo "# an upgrade: a second one starts, then the first one ends"
start
second=$last
end TERM $first
rules
ask
echo "# the second one is killed"
end KILL $second
rules
ask
echo "# a third one starts, and adopts what it finds"
start
third=$last
rules
ask
echo "# it ends"
end TERM $third
rules
ask
echo "# one with -dead-man 1s starts"
start -dead-man 1s
rules
ask
echo "# it is killed; a second later"
end KILL $last
sleep 1
ask
if [ -z "$original" ]; then
    exit
fi
echo "# node-cache starts, the original starts beside it, and node-cache ends: a downgrade"
start
before=$last
start_original
end TERM $before
rules
ask
echo "# node-cache starts beside the original, which is killed: an upgrade"
before=$last
start
end KILL $before
rules
ask
echo "# node-cache is killed, and the original adopts what it finds"
end KILL $last
start_original
rules
ask
echo "# the original ends"
end TERM $last
rules
ask
